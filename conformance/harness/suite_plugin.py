"""The pytest plugin inside ceph/s3-tests: which tests run, in what order, and the clean-up after each.

Owns the boundary to the suite, whose checkout stays unpatched. The suite's own interpreter loads it with `-p
harness.suite_plugin`. The plan is a JSON file named by CONFORMANCE_PLAN; each result is one JSON line.

The clean-up of the suite fails as soon as a server lacks one of its calls, and the first bucket that it
leaves fails every later test. The clean-up here removes whatever was not there at the start, by any call that
the server has, and never fails: only a test itself judges its subject.
"""

import configparser
import contextlib
import json
import os
import sys

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

with open(os.environ["CONFORMANCE_PLAN"]) as plan_file:
    PLAN = json.load(plan_file)

FUNCTIONAL = "s3tests/functional/"
# This test needs an account without buckets, and bucket numbers below 10.
FIRST = "test_s3.py::test_list_buckets_paginated"


def test_id(item) -> str:
    return item.nodeid.removeprefix(FUNCTIONAL)


def chosen(item) -> bool:
    name = test_id(item)
    if PLAN["ids"] is not None and name not in PLAN["ids"]:
        return False
    if name.split("::")[0] in PLAN["excluded_files"]:
        return False
    if {mark.name for mark in item.iter_markers()} & set(PLAN["excluded_marks"]):
        return False
    return not PLAN["only"] or any(text in name for text in PLAN["only"])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    wanted = sorted(filter(chosen, items), key=lambda item: (test_id(item) != FIRST, item.nodeid))
    wanted = wanted[PLAN["shard"] :: PLAN["shards"]]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(wanted)])
    items[:] = wanted


def iam_client(access_key: str, secret_key: str):
    return boto3.client(
        "iam",
        endpoint_url=PLAN["endpoint"],
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name="us-east-1",
    )


def make_member(name: str) -> None:
    """Makes a user of the first account, and puts it into the section `s3 alt`: the second user of the suite."""
    iam = iam_client(*PLAN["users"][0])
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    config = configparser.RawConfigParser()
    config.read(PLAN["config"])
    alt = {"user_id": name, "display_name": name, "access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"]}
    config["s3 alt"].update(alt)
    with open(PLAN["config"], "w") as out:
        config.write(out)


def pytest_collection_finish(session):
    import s3tests.functional as suite

    if PLAN["member"]:
        make_member(PLAN["member"])
    suite.setup = lambda: None
    suite.teardown = Cleaner()
    for module in list(sys.modules.values()):
        # The two fixtures that protect fixed names call this directly; the cleaner handles their buckets,
        # too.
        if getattr(module, "__name__", "").startswith("s3tests.functional") and hasattr(
            module, "nuke_prefixed_buckets"
        ):
            module.nuke_prefixed_buckets = lambda *_, **__: None


class Cleaner:
    """Removes what tests left; called after every test."""

    def __init__(self):
        config = Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            connect_timeout=10,
            read_timeout=30,
            retries={"total_max_attempts": 1},
        )
        self.clients = [
            boto3.client(
                "s3",
                endpoint_url=PLAN["endpoint"],
                aws_access_key_id=access_key,
                aws_secret_access_key=secret_key,
                region_name="us-east-1",
                config=config,
            )
            for access_key, secret_key in PLAN["users"]
        ]
        self.kept = [self._buckets(client) for client in self.clients]
        self.iam = [iam_client(*user) for user in PLAN["users"]] if PLAN["member"] else []
        self.has_versions = True

    def __call__(self):
        for client, kept in zip(self.clients, self.kept, strict=True):
            for bucket in self._buckets(client) - kept:
                self._remove(client, bucket)
        for iam in self.iam:
            self._remove_users(iam)

    def _remove_users(self, iam) -> None:
        """Removes users that a test left. Upstream deletes users before it takes them out of their groups."""
        with contextlib.suppress(ClientError, BotoCoreError):
            for user in iam.list_users()["Users"]:
                name = {"UserName": user["UserName"]}
                if user["UserName"] == PLAN["member"]:
                    continue
                for group in iam.list_groups_for_user(**name)["Groups"]:
                    iam.remove_user_from_group(GroupName=group["GroupName"], **name)
                for key in iam.list_access_keys(**name)["AccessKeyMetadata"]:
                    iam.delete_access_key(AccessKeyId=key["AccessKeyId"], **name)
                for policy in iam.list_user_policies(**name)["PolicyNames"]:
                    iam.delete_user_policy(PolicyName=policy, **name)
                for policy in iam.list_attached_user_policies(**name)["AttachedPolicies"]:
                    iam.detach_user_policy(PolicyArn=policy["PolicyArn"], **name)
                iam.delete_user(**name)

    @staticmethod
    def _buckets(client) -> set[str]:
        try:
            return {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
        except (ClientError, BotoCoreError):
            return set()

    def _remove(self, client, bucket: str) -> None:
        with contextlib.suppress(ClientError, BotoCoreError):
            client.delete_bucket(Bucket=bucket)
            return
        with contextlib.suppress(ClientError, BotoCoreError):
            for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
                client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        with contextlib.suppress(ClientError, BotoCoreError):
            client.delete_bucket_policy(Bucket=bucket)
        entries = list(self._entries(client, bucket))
        with contextlib.suppress(ClientError, BotoCoreError):
            for start in range(0, len(entries), 1000):
                client.delete_objects(Bucket=bucket, Delete={"Objects": entries[start : start + 1000], "Quiet": True})
        # Objects that are locked, or that are left on a server without DeleteObjects.
        for entry in list(self._entries(client, bucket)) if entries else ():
            with contextlib.suppress(ClientError, BotoCoreError):
                bypass = {"BypassGovernanceRetention": True} if "VersionId" in entry else {}
                client.delete_object(Bucket=bucket, **entry, **bypass)
        with contextlib.suppress(ClientError, BotoCoreError):
            client.delete_bucket(Bucket=bucket)

    def _entries(self, client, bucket: str):
        """All objects in a bucket, with versions if the server supports them."""
        if self.has_versions:
            try:
                for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
                    for entry in page.get("Versions", []) + page.get("DeleteMarkers", []):
                        version = {"VersionId": entry["VersionId"]} if entry["VersionId"] != "null" else {}
                        yield {"Key": entry["Key"]} | version
                return
            except ClientError as error:
                self.has_versions = error.response["Error"]["Code"] not in ("NotImplemented", "MethodNotAllowed")
            except (BotoCoreError, KeyError):
                pass
        with contextlib.suppress(ClientError, BotoCoreError):
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                for entry in page.get("Contents", []):
                    yield {"Key": entry["Key"]}


class Results:
    """Writes one line per finished test: passed only if set-up, call and tear-down all passed."""

    def __init__(self, path: str):
        self.file = open(path, "w")
        self.outcome: dict[str, tuple[str, float, str]] = {}

    def pytest_runtest_logreport(self, report):
        outcome, seconds, text = self.outcome.get(report.nodeid, ("passed", 0.0, ""))
        if report.outcome != "passed" and outcome == "passed":
            outcome, text = report.outcome, str(report.longrepr)
        seconds += report.duration
        self.outcome[report.nodeid] = (outcome, seconds, text)
        if report.when == "teardown":
            line = {
                "id": report.nodeid.removeprefix(FUNCTIONAL),
                "outcome": outcome,
                "seconds": round(seconds, 2),
                "reason": reason(text),
                "traceback": text,
            }
            print(json.dumps(line), file=self.file, flush=True)


def reason(traceback: str) -> str:
    """The exception of a native traceback with its message, on one line, without frames and headings."""
    lines = traceback.strip().splitlines()
    headings = ("Traceback", "During handling", "The above exception")
    raised = [index for index, line in enumerate(lines) if line[:1].strip() and not line.startswith(headings)]
    start = raised[-1] if raised else 0
    return " ".join(line.strip() for line in lines[start : start + 3])[:400]


def pytest_configure(config):
    config.pluginmanager.register(Results(PLAN["results"]), "conformance-results")
