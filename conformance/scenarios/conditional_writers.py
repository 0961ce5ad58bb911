"""32 writers of one key at once, each with `If-None-Match: *`: one wins, all others learn it.

Owns the race: requests are signed beforehand and released together over 32 open connections, so that the server,
not a client library, decides how close they come.  A lone check before the write lets several of them win.
"""

import http.client
import threading
import urllib.parse
from collections import Counter

from harness.scenario import Scenario, same
from harness.sigv4 import signed_headers

WRITERS, ROUNDS = 32, 100
scenario = Scenario()
BUCKET = scenario.bucket_name("writers")


def connect() -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urllib.parse.urlsplit(scenario.endpoint).netloc, timeout=60)


def send(connection, method: str, path: str, body: bytes = b"", headers: dict | None = None) -> tuple[int, bytes]:
    url = scenario.endpoint + path
    signed = signed_headers(method, url, scenario.access_key, scenario.secret_key, body, headers)
    connection.request(method, path, body=body, headers=signed)
    answer = connection.getresponse()
    return answer.status, answer.read()


def race(key: str) -> list[int]:
    """The statuses of all writers of `key`, body and connection of each being its own."""
    statuses = [0] * WRITERS

    def write(writer: int) -> None:
        body = body_of(writer)
        url = f"{scenario.endpoint}/{BUCKET}/{key}"
        headers = signed_headers("PUT", url, scenario.access_key, scenario.secret_key, body, {"If-None-Match": "*"})
        if connections[writer].sock is None:
            connections[writer].connect()
        start.wait()
        connections[writer].request("PUT", f"/{BUCKET}/{key}", body=body, headers=headers)
        answer = connections[writer].getresponse()
        answer.read()
        statuses[writer] = answer.status

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def body_of(writer: int) -> bytes:
    return bytes([writer]) * 4096


start = threading.Barrier(WRITERS)
connections = [connect() for _ in range(WRITERS)]
control = connect()

with scenario.check("the bucket is made"):
    same(send(control, "PUT", f"/{BUCKET}")[0], 200)

with scenario.check(f"{WRITERS} writers, {ROUNDS} rounds: exactly one 200 and {WRITERS - 1} times 412"):
    rounds = Counter()
    for number in range(ROUNDS):
        statuses = race(f"key-{number}")
        rounds[tuple(sorted(Counter(statuses).items()))] += 1
        if statuses.count(200) == 1:
            # The winner that was told so is the one that stays.
            stored = send(control, "GET", f"/{BUCKET}/key-{number}")[1]
            assert stored == body_of(statuses.index(200)), f"round {number}: a loser's body is stored"
    summary = "; ".join(f"{count} rounds {dict(statuses)}" for statuses, count in rounds.items())
    assert rounds == {((200, 1), (412, WRITERS - 1)): ROUNDS}, summary

with scenario.check("the bucket is emptied and deleted"):
    for number in range(ROUNDS):
        same(send(control, "DELETE", f"/{BUCKET}/key-{number}")[0], 204)
    same(send(control, "DELETE", f"/{BUCKET}")[0], 204)

scenario.finish()
