"""The consistency check itself: planted histories have to be found, and clean ones have to pass."""

import random
import sys
import unittest
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.consistency import register, values, verdict  # noqa: E402
from harness.consistency.history import (  # noqa: E402
    ABSENT, ANY, MISSING, THERE, Operation, Records, Sight, State, Version, other_than, shows,
)  # fmt: skip
from harness.consistency.values import Piece  # noqa: E402

KEY = "hot/a"


def etag(name: str) -> str:
    return values.whole_etag((Piece(name, 0, 3000),))


def put(name: str, start: int, end: int | None, guard=ANY, action="PUT") -> Operation:
    return Operation(KEY, action, 1, start, end, guard, State(name, etag(name)))


def delete(start: int, end: int | None, guard=ANY) -> Operation:
    return Operation(KEY, "DELETE", 2, start, end, guard, ABSENT)


def get(name: str | None, start: int, end: int, action="GET") -> Operation:
    return Operation(KEY, action, 3, start, end, shows(name, etag(name)) if name else MISSING)


def listed(name: str | None, start: int, end: int) -> Operation:
    return Operation(KEY, "LIST", 4, start, end, shows(None, etag(name)) if name else MISSING)


def sight(name: str, body_of: str | None = None, **changes) -> Sight:
    data = values.content((Piece(body_of or name, 0, 3000),))
    fields = {
        "key": KEY, "action": "GET", "worker": 3, "start": 0, "headed": 1, "end": 2,
        "name": name, "etag": etag(name),
        "content_type": f"version/{name}", "length": 3000, "tag_count": "1", "checksums": {},
        "digest": values.digest(data), "size": len(data), "owners": tuple(values.owners(data)),
    }  # fmt: skip
    return Sight(**fields | changes)


def kinds(*operations: Operation, sights: tuple[Sight, ...] = ()) -> list[str]:
    records = Records(operations=list(operations), sights=list(sights))
    for name in ("w1.1", "w1.2", "w2.1"):
        records.versions[name] = Version(name, (Piece(name, 0, 3000),))
    problems, undecided = verdict.check(records, 0)
    assert not undecided
    return [problem.kind for problem in problems]


class PlantedHistories(unittest.TestCase):
    def test_a_stale_read_is_found(self):
        found = kinds(put("w1.1", 0, 10), put("w1.2", 20, 30), get("w1.1", 40, 50))
        self.assertEqual(found, ["stale or impossible read"])

    def test_a_read_of_something_before_it_was_written_is_found(self):
        self.assertEqual(kinds(get("w1.1", 0, 5), put("w1.1", 10, 20)), ["stale or impossible read"])

    def test_two_reads_that_see_two_writes_in_opposite_orders_are_found(self):
        found = kinds(
            *(put("w1.1", 0, 100), put("w2.1", 0, 100)),
            *(get("w1.1", 10, 20), get("w2.1", 30, 40), get("w1.1", 50, 60)),
        )
        self.assertEqual(found, ["stale or impossible read"])

    def test_an_acknowledged_write_that_is_dropped_is_found(self):
        found = kinds(put("w1.1", 0, 10), put("w2.1", 20, 30, shows(None, etag("w1.1"))), get("w1.1", 40, 50))
        self.assertEqual(found, ["stale or impossible read"])

    def test_an_unconditional_write_cannot_be_hidden_between_two_conditional_ones(self):
        found = kinds(
            put("w1.1", 0, 10),
            put("w1.2", 20, 30),
            put("w2.1", 40, 50, shows(None, etag("w1.1"))),
        )
        self.assertEqual(found, ["condition that did not hold"])

    def test_two_winners_on_one_etag_are_found(self):
        on_first = shows(None, etag("w1.1"))
        found = kinds(put("w1.1", 0, 10), put("w1.2", 20, 40, on_first), put("w2.1", 25, 45, on_first))
        self.assertEqual(found, ["two winners"])

    def test_two_creations_without_a_deletion_between_are_found(self):
        found = kinds(put("w1.1", 0, 10, MISSING), put("w2.1", 5, 15, MISSING))
        self.assertEqual(found, ["condition that did not hold"])

    def test_a_refused_creation_of_a_key_that_is_not_there_is_found(self):
        refused = Operation(KEY, "PUT", 1, 20, 30, THERE)
        self.assertEqual(kinds(delete(0, 10), refused), ["stale or impossible read"])

    def test_a_list_behind_an_acknowledged_delete_is_found(self):
        found = kinds(put("w1.1", 0, 10), delete(20, 30), listed("w1.1", 40, 50))
        self.assertEqual(found, ["LIST behind what was acknowledged"])

    def test_a_list_behind_a_read_of_an_unacknowledged_write_is_found(self):
        found = kinds(put("w1.1", 0, 100), get("w1.1", 10, 20), listed(None, 30, 40))
        self.assertEqual(found, ["LIST behind what was seen"])

    def test_a_write_without_an_answer_cannot_be_undone_after_it_was_seen(self):
        found = kinds(put("w1.1", 0, 10), put("w2.1", 20, None), get("w2.1", 30, 40), get("w1.1", 50, 60))
        self.assertEqual(found, ["stale or impossible read"])

    def test_a_torn_body_is_found_and_its_owners_are_told(self):
        whole = put("w1.1", 0, 10)
        records = Records(
            {"w1.1": Version("w1.1", (Piece("w1.1", 0, 3000),))}, [whole], [sight("w1.1", "w1.2")]
        )
        (problem,) = verdict.check(records, 0)[0]
        self.assertEqual(problem.kind, "body of another version")
        self.assertIn("w1.2@0", problem.text)

    def test_each_field_of_another_version_is_found(self):
        for field, value, kind in (
            ("etag", etag("w1.2"), "ETag of another version"),
            ("content_type", "version/w1.2", "content type of another version"),
            ("length", 2999, "length of another version"),
            ("tag_count", "2", "tag count of another version"),
            ("checksums", {"CRC32": "AAAAAA=="}, "checksum of another version"),
            ("name", None, "no metadata"),
            ("name", "w9.9", "unknown version"),
        ):
            with self.subTest(field=field):
                self.assertIn(kind, kinds(sights=(replace(sight("w1.1"), **{field: value}),)))

    def test_a_range_of_another_version_is_found(self):
        part = values.content((Piece("w1.1", 0, 3000),))[1000:2000]
        right = {
            "asked_range": "bytes=1000-1999",
            "length": 1000,
            "size": 1000,
            "digest": values.digest(part),
        }
        self.assertEqual(kinds(sights=(sight("w1.1", content_range="bytes 1000-1999/3000", **right),)), [])
        found = kinds(sights=(sight("w1.1", content_range="bytes 1000-1999/4000", **right),))
        self.assertEqual(found, ["range of another version"])
        right["digest"] = values.digest(values.content((Piece("w1.2", 0, 3000),))[1000:2000])
        found = kinds(sights=(sight("w1.1", content_range="bytes 1000-1999/3000", **right),))
        self.assertEqual(found, ["body of another version"])


class CleanHistories(unittest.TestCase):
    def test_what_overlaps_may_be_seen_in_either_order(self):
        self.assertEqual(
            kinds(put("w1.1", 0, 10), put("w2.1", 5, 30), get("w1.1", 20, 25), get("w2.1", 26, 40)), []
        )
        self.assertEqual(
            kinds(put("w1.1", 0, 10), put("w2.1", 5, 30), get("w2.1", 7, 9), listed("w2.1", 35, 36)), []
        )

    def test_a_write_without_an_answer_may_come_late_or_never(self):
        self.assertEqual(kinds(put("w1.1", 0, 10), put("w2.1", 20, None), get("w1.1", 30, 40)), [])
        late = (put("w1.1", 0, 10), put("w2.1", 20, None), get("w1.1", 30, 40), get("w2.1", 50, 60))
        self.assertEqual(kinds(*late), [])

    def test_a_deletion_without_an_answer_explains_that_a_key_is_gone(self):
        self.assertEqual(kinds(put("w1.1", 0, 10), delete(20, None), get(None, 30, 40)), [])

    def test_many_writes_without_an_answer_stay_decidable(self):
        doubtful = [put(f"w5.{number}", 20 + number, None) for number in range(40)]
        doubtful += [delete(20 + number, None) for number in range(40)]
        self.assertEqual(kinds(put("w1.1", 0, 10), *doubtful, get(None, 100, 110)), [])
        found = kinds(put("w1.1", 0, 10), *doubtful, get(None, 100, 110), get("w1.1", 120, 130))
        self.assertEqual(found, ["stale or impossible read"])

    def test_a_lost_condition_is_explained_by_the_write_that_won(self):
        lost = Operation(KEY, "PUT", 1, 15, 40, other_than(etag("w1.1")))
        won = put("w2.1", 20, 30, shows(None, etag("w1.1")))
        self.assertEqual(kinds(put("w1.1", 0, 10), won, lost, get("w2.1", 50, 60)), [])

    def test_histories_of_a_real_register_pass_and_swapped_answers_do_not(self):
        found = 0
        for seed in range(40):
            history = _simulated(random.Random(seed))
            self.assertEqual(register.check(history), [], f"seed {seed}")
            found += bool(register.check(_with_swapped_answers(history, random.Random(seed))))
        self.assertGreater(found, 30)


def _simulated(source: random.Random, length: int = 120) -> list[Operation]:
    """Operations on a true register, each of which takes effect at one moment of its time."""
    moments = sorted(source.uniform(0, 1000) for _ in range(length))
    history, state = [], ABSENT
    for number, moment in enumerate(moments):
        start, end = int(1e3 * (moment - source.uniform(0, 40))), int(1e3 * (moment + source.uniform(0, 40)))
        what = source.random()
        guard = shows(*state) if state != ABSENT else MISSING
        effect = None
        if what < 0.3:
            guard, effect = ANY, State(f"w1.{number}", f"e{number}")
        elif what < 0.4:
            guard, effect = ANY, ABSENT
        elif what < 0.5:
            effect = State(f"w2.{number}", f"e{number}")
        history.append(Operation(KEY, "PUT" if effect else "GET", 1, start, end, guard, effect))
        state = effect or state
    return history


def _with_swapped_answers(history: list[Operation], source: random.Random) -> list[Operation]:
    reads = [operation for operation in history if operation.effect is None]
    early, late = reads[source.randrange(0, 8)], reads[-source.randrange(1, 8)]
    early.guard, late.guard = late.guard, early.guard
    return history


class Bodies(unittest.TestCase):
    def test_a_body_tells_whose_it_is(self):
        body = (Piece("w1.1", 0, 5000), Piece("w2.7", 2048, 3000))
        data = values.content(body)
        self.assertEqual(len(data), values.length(body))
        self.assertEqual(values.owners(data), ["w1.1@0", "w2.7@2048"])
        self.assertEqual(values.content((Piece("w1.1", 100, 50),)), data[100:150])

    def test_an_empty_body_is_nobodys(self):
        self.assertEqual(values.content((Piece("w1.1", 0, 0),)), b"")
        self.assertEqual(values.owners(b""), [])


if __name__ == "__main__":
    unittest.main()
