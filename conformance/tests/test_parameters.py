"""Whether the table of parameters says of each parameter in the SDK's service model what becomes of it, and whether that is so."""

import functools
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from harness import s3, service_model  # noqa: E402
from harness.server import REPOSITORY, Server, find_binary  # noqa: E402

CACHE = REPOSITORY / "target" / "conformance"
# What a request needs before S3 looks at anything else in it. No upload has this id.
REQUIRED = {
    "id": "a",
    "partNumber": "1",
    "uploadId": "0",
    "x-amz-copy-source": "/bucket/object",
    "x-amz-object-attributes": "ETag",
}
# What makes a request well-formed besides, so that only the parameter in question is wrong with it: a header or a body.
HEADERS = {"PutObjectAcl": {"x-amz-acl": "private"}}
METRICS = b"<MetricsConfiguration><Id>a</Id></MetricsConfiguration>"
TIERING = (
    b"<IntelligentTieringConfiguration><Id>a</Id><Status>Enabled</Status><Tiering><Days>90</Days>"
    b"<AccessTier>ARCHIVE_ACCESS</AccessTier></Tiering></IntelligentTieringConfiguration>"
)
ANALYTICS = b"<AnalyticsConfiguration><Id>a</Id><StorageClassAnalysis/></AnalyticsConfiguration>"
CORS = (
    b"<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>"
    b"</CORSConfiguration>"
)
BODIES = {
    "PutBucketAbac": b"<AbacStatus><Status>Disabled</Status></AbacStatus>",
    "PutBucketAccelerateConfiguration": (
        b"<AccelerateConfiguration><Status>Suspended</Status></AccelerateConfiguration>"
    ),
    "PutBucketAnalyticsConfiguration": ANALYTICS,
    "PutBucketCors": CORS,
    "PutBucketIntelligentTieringConfiguration": TIERING,
    "PutBucketMetricsConfiguration": METRICS,
    "PutBucketRequestPayment": (
        b"<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>"
    ),
    "PutBucketTagging": b"<Tagging><TagSet/></Tagging>",
    "PutObjectTagging": b"<Tagging><TagSet/></Tagging>",
}


def model() -> dict:
    return service_model.model(CACHE)


def served() -> list[str]:
    """A test of the server holds that these are the operations that it serves (`tests/s3/operations.rs`)."""
    return sorted({operation for operation, _, _ in in_table()})


def members(operation: str) -> list[tuple[str, str, bool]]:
    return service_model.members(model(), operation)


def in_model() -> set[tuple[str, str, str]]:
    return {(operation, place, name) for operation in served() for place, name, _ in members(operation)}


@functools.cache
def table() -> dict:
    return tomllib.loads((ROOT / "parameters.toml").read_text())


def in_table() -> list[tuple[str, str, str]]:
    """As in the model, of every section: one that is listed twice is there twice."""
    found = []
    for section in ("honoured", "without-effect", "refused"):
        for place, rows in table()[section].items():
            for name, row in rows.items():
                operations = row if isinstance(row, list) else row["operations"]
                found += [(operation, place, name) for operation in operations]
    return found


def refusals() -> list[tuple[str, str, str, str, str]]:
    """Operation, place, name, value and error of everything that is refused."""
    found = []
    for place, rows in table()["refused"].items():
        for name, row in rows.items():
            found += [(operation, place, name, row["value"], row["error"]) for operation in row["operations"]]
    for row in table()["refused-value"]:
        place, name = row["in"], row["name"]
        operations = [operation for operation, *parameter in in_table() if parameter == [place, name]]
        assert operations, f"{name} is in no section"
        found += [(operation, place, name, row["value"], row["error"]) for operation in operations]
    return found


class Table(unittest.TestCase):
    def test_the_committed_operations_are_those_of_the_pinned_sdk(self):
        hint = "conformance/run operations --update, and see what is new"
        self.assertEqual(service_model.COMMITTED.read_text(), service_model.committed(model()), hint)
        control = service_model.model(CACHE, service_model.CONTROL_MODEL)
        self.assertEqual(service_model.CONTROL.read_text(), service_model.committed_control(control), hint)

    def test_each_parameter_of_each_operation_that_is_served_is_in_one_section(self):
        listed = in_table()
        self.assertEqual(sorted(listed), sorted(set(listed)), "listed twice")
        self.assertEqual(sorted(in_model() - set(listed)), [], "missing in parameters.toml")
        self.assertEqual(sorted(set(listed) - in_model()), [], "not in the model of the SDK")

    def test_whatever_is_not_honoured_says_why(self):
        rows = [row for section in ("without-effect", "refused") for row in table()[section]["header"].values()]
        for row in rows + table()["refused-value"]:
            self.assertTrue(row["why"].endswith("."), row)


class Refusals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = tempfile.TemporaryDirectory(prefix="causeway-parameters-")
        cls.addClassCleanup(cls.work.cleanup)
        cls.server = Server(find_binary(None), Path(cls.work.name) / "server")
        cls.addClassCleanup(cls.server.stop)
        root = cls.server.root
        cls.client = s3.Client(s3.Target(cls.server.endpoint, root.access_key, root.secret_key))
        cls.addClassCleanup(cls.client.close)
        assert cls.client.ask("PUT", "bucket").status == 200
        assert cls.client.ask("PUT", "bucket", "object", body=b"hello").status == 200

    def ask(self, operation: str, place: str = "", name: str = "", value: str = "") -> tuple[int, str]:
        """What is said to a request of this operation, with one parameter more."""
        http = model()["operations"][operation]["http"]
        path, _, resource = http["requestUri"].partition("?")
        query = {pair.partition("=")[0]: pair.partition("=")[2] for pair in resource.split("&") if pair}
        headers = dict(HEADERS.get(operation, {}))
        for of, needed, is_required in members(operation):
            if is_required:
                (headers if of == "header" else query)[needed] = REQUIRED[needed]
        if name:
            (headers if place == "header" else query)[name] = value
        bucket = "" if "{Bucket}" not in path else "other" if operation == "CreateBucket" else "bucket"
        # Neither a request without the parameter nor one that is wrongly taken may delete or overwrite the object.
        key = "" if "{Key+}" not in path else "object" if http["method"] in ("GET", "HEAD") else "other"
        reply = self.client.ask(http["method"], bucket, key, query, headers, BODIES.get(operation, b""))
        return reply.status, reply.code

    def test_each_refused_parameter_is_refused_and_nothing_else_of_its_request(self):
        plain = {operation: self.ask(operation) for operation in served() if operation != "DeleteBucket"}
        for operation, place, name, value, error in refusals():
            with self.subTest(operation=operation, parameter=name, value=value):
                status, code = error.split()
                expected = (int(status), "" if operation.startswith("Head") else code)
                self.assertEqual(self.ask(operation, place, name, value), expected)
                self.assertNotEqual(plain.get(operation), expected, "the request is refused without it too")


if __name__ == "__main__":
    unittest.main()
