"""DuckDB with its httpfs extension: Parquet written to and queried in a bucket.

Owns ranged reads of one file, globs, and hive partitions written and pruned.  No region is named, as in DuckDB's
own examples: it signs for an empty one then.
"""

import os
import re
import urllib.parse
import urllib.request
from pathlib import Path

import duckdb
import duckdb_extension_httpfs

from harness.scenario import Scenario, same
from harness.sigv4 import signed_headers

ROWS = 200_000
scenario = Scenario()
BUCKET = scenario.bucket_name("duckdb")
URL = f"s3://{BUCKET}"
EVENTS = f"SELECT i AS id, i % 5 AS region, i % 3 AS kind, 'event-' || i AS name FROM range({ROWS}) r(i)"


def send(method: str, key: str = "") -> None:
    """DuckDB has no statement that makes a bucket or deletes anything."""
    url = f"{scenario.endpoint}/{BUCKET}{urllib.parse.quote('/' + key) if key else ''}"
    headers = signed_headers(method, url, scenario.access_key, scenario.secret_key)
    urllib.request.urlopen(urllib.request.Request(url, method=method, headers=headers), timeout=30).close()


def rows(statement: str) -> list[tuple]:
    return database.execute(statement).fetchall()


send("PUT")
for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):  # would stand in for the region that the secret leaves out
    os.environ.pop(name, None)
database = duckdb.connect(config={"extension_directory": str(scenario.work / "extensions")})
(extension,) = Path(duckdb_extension_httpfs.__file__).parent.rglob(f"v{duckdb.__version__}/httpfs.duckdb_extension")
database.load_extension(str(extension))
database.execute(
    f"CREATE SECRET (TYPE s3, KEY_ID '{scenario.access_key}', SECRET '{scenario.secret_key}',"
    f" ENDPOINT '{scenario.host}', URL_STYLE 'path', USE_SSL false)"
)

with scenario.check("COPY writes Parquet that reads back whole"):
    database.execute(f"COPY ({EVENTS}) TO '{URL}/one/events.parquet' (FORMAT parquet, ROW_GROUP_SIZE 20000)")
    same(
        rows(f"SELECT count(*), sum(id), min(name) FROM '{URL}/one/events.parquet'"),
        [(ROWS, ROWS * (ROWS - 1) // 2, "event-0")],
    )

with scenario.check("a filter reads the rows it asks for"):
    found = rows(f"SELECT id, name FROM '{URL}/one/events.parquet' WHERE id BETWEEN 123456 AND 123458 ORDER BY id")
    same(found, [(number, f"event-{number}") for number in (123456, 123457, 123458)])

with scenario.check("COPY of more than one part's worth is a multipart upload"):
    database.execute("SET s3_uploader_max_parts_per_file = 10000")
    database.execute("SET s3_uploader_max_filesize = '50GB'")  # together: the smallest parts S3 allows, 5 MiB
    noise = "SELECT i AS id, hash(i) AS a, hash(i + 1) AS b, hash(i * 7) AS c FROM range(1000000) r(i)"
    database.execute(f"COPY ({noise}) TO '{URL}/noise.parquet' (FORMAT parquet, COMPRESSION uncompressed)")
    same(
        rows(f"SELECT sum(a % 1000), sum(b % 1000), sum(c % 1000) FROM '{URL}/noise.parquet'"),
        rows(f"SELECT sum(a % 1000), sum(b % 1000), sum(c % 1000) FROM ({noise})"),
    )

with scenario.check("one row of a large file is read by ranges, which are a small part of it"):
    ((_, profile),) = rows(f"EXPLAIN ANALYZE SELECT a, b FROM '{URL}/noise.parquet' WHERE id = 500000")
    carried = re.search(r"in: ([0-9.]+) (bytes|KiB|MiB)", profile)
    assert carried, profile
    mib = float(carried[1]) / {"bytes": 1 << 20, "KiB": 1 << 10, "MiB": 1}[carried[2]]
    assert mib < 8, f"{mib} MiB of 31 were read for one row"

with scenario.check("COPY partitions by hive keys, a glob reads them back"):
    database.execute(f"COPY ({EVENTS}) TO '{URL}/hive' (FORMAT parquet, PARTITION_BY (region, kind))")
    files = [name for (name,) in rows(f"SELECT file FROM glob('{URL}/hive/*/*/*.parquet')")]
    assert {name.split("/")[4] for name in files} == {f"region={number}" for number in range(5)}, files
    read = f"read_parquet('{URL}/hive/*/*/*.parquet', hive_partitioning = true)"
    same(rows(f"SELECT count(*), sum(id) FROM {read}"), [(ROWS, ROWS * (ROWS - 1) // 2)])

with scenario.check("a filter on a partition key reads that partition"):
    counted = rows(f"SELECT region, count(*) FROM {read} WHERE region = 2 AND kind = 1 GROUP BY region")
    same(counted, [(2, len([number for number in range(ROWS) if number % 5 == 2 and number % 3 == 1]))])
    recursive = rows(
        f"SELECT count(DISTINCT region) FROM read_parquet('{URL}/hive/**/*.parquet', hive_partitioning = true)"
    )
    same(recursive, [(5,)])

with scenario.check("CSV under a key with blanks and '+' reads back"):
    database.execute(f"COPY (SELECT 1 AS a, 'ü' AS b) TO '{URL}/odd dir/a+b.csv' (HEADER)")
    same(rows(f"SELECT * FROM read_csv('{URL}/odd dir/a+b.csv')"), [(1, "ü")])

with scenario.check("overwriting a file replaces it"):
    database.execute(f"COPY (SELECT 42 AS answer) TO '{URL}/one/events.parquet' (FORMAT parquet)")
    same(rows(f"SELECT * FROM '{URL}/one/events.parquet'"), [(42,)])

with scenario.check("a file that is not there is an error, not an empty table"):
    try:
        rows(f"SELECT * FROM '{URL}/none.parquet'")
    except duckdb.Error as error:
        assert "404" in str(error), error
    else:
        raise AssertionError("read a file that is not there")

with scenario.check("a secret with a region reads the same"):
    ((_, secret),) = rows("SELECT name, secret_string FROM duckdb_secrets()")
    assert "us-east-1" not in secret, secret
    database.execute(
        f"CREATE OR REPLACE SECRET (TYPE s3, KEY_ID '{scenario.access_key}', SECRET '{scenario.secret_key}',"
        f" REGION 'us-east-1', ENDPOINT '{scenario.host}', URL_STYLE 'path', USE_SSL false)"
    )
    same(rows(f"SELECT * FROM '{URL}/one/events.parquet'"), [(42,)])

with scenario.check("a wrong secret is an error that tells 403"):
    database.execute(
        f"CREATE SECRET stranger (TYPE s3, KEY_ID '{scenario.access_key}', SECRET 'not-the-secret-of-anybody',"
        f" SCOPE '{URL}/refused', ENDPOINT '{scenario.host}', URL_STYLE 'path', USE_SSL false)"
    )
    try:
        database.execute(f"COPY ({noise}) TO '{URL}/refused/noise.parquet' (FORMAT parquet, COMPRESSION uncompressed)")
    except duckdb.Error as error:
        assert "403" in str(error), error
    else:
        raise AssertionError("wrote with a secret of nobody")

with scenario.check("a recursive glob finds every file there is"):
    for (name,) in rows(f"SELECT file FROM glob('{URL}/**')"):
        send("DELETE", name.removeprefix(f"{URL}/"))
    send("DELETE")  # a bucket with anything left in it is not deleted

scenario.finish()
