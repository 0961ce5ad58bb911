"""boto3, listings: every paginator, prefixes and delimiters, tokens that outlive deletes.

Owns order and completeness of what is listed, against a list kept here.
"""

import concurrent.futures

from boto3_session import client

from harness.scenario import Scenario, same

scenario = Scenario()
BUCKET = scenario.bucket_name("boto3-listing")
s3 = client(scenario)

# In the order of their UTF-8 bytes: a file system's order, or UTF-16's, is another.
KEYS = sorted(
    [f"photos/2024/{month:02}/{number:03}.jpg" for month in range(1, 5) for number in range(40)]
    + [f"logs-{letter}" for letter in "abcdefghij"]
    + [
        "photos",
        "photos.txt",
        "photos/",
        "photos-old/1",
        "a b",
        "a+b",
        "a%b",
        "é",
        "日本",
        "\U0001f600",
        "\uffee",
        "Z",
        "z",
        "~",
    ],
    key=str.encode,
)

# Small pages where a delimiter rolls much up, so that pages end on prefixes; larger ones where it hardly does.
PAGES_OF = {"/": 1, "2024": 2, "-": 25, "%": 40, " ": 60}


def pages(operation: str, size: int, **arguments) -> list[dict]:
    paginator = s3.get_paginator(operation)
    return list(paginator.paginate(Bucket=BUCKET, PaginationConfig={"PageSize": size}, **arguments))


def entries(found: list[dict]) -> tuple[list[str], list[str]]:
    """All keys and all common prefixes, in the order they came."""
    keys = [entry["Key"] for page in found for entry in page.get("Contents", [])]
    return keys, [entry["Prefix"] for page in found for entry in page.get("CommonPrefixes", [])]


def expected(prefix: str = "", delimiter: str = "", after: str = "") -> tuple[list[str], list[str]]:
    keys, folders = [], []
    for key in KEYS:
        if not key.startswith(prefix) or key.encode() <= after.encode():
            continue
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        if cut < 0:
            keys.append(key)
        elif key[: cut + len(delimiter)] not in folders:
            folders.append(key[: cut + len(delimiter)])
    return keys, folders


s3.create_bucket(Bucket=BUCKET)
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    list(pool.map(lambda key: s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode()), KEYS))

for operation in ("list_objects", "list_objects_v2"):
    with scenario.check(f"{operation} lists every key once, in byte order, at any page size"):
        for size in (1000, 50, 7):
            assert entries(pages(operation, size)) == expected(), size
        same(len(pages(operation, 7)), -(-len(KEYS) // 7))

    with scenario.check(f"{operation} rolls keys up at any delimiter below any prefix"):
        for prefix in ("", "photos", "photos/", "photos/2024/0", "none", "a"):
            for delimiter in PAGES_OF:
                for size in (1000, PAGES_OF[delimiter]):
                    found = entries(pages(operation, size, Prefix=prefix, Delimiter=delimiter))
                    assert found == expected(prefix, delimiter), f"{prefix!r} {delimiter!r} {size}: {found}"

with scenario.check("list_objects_v2 counts keys and prefixes together, and starts after any text"):
    page = s3.list_objects_v2(Bucket=BUCKET, Delimiter="/", MaxKeys=1000)
    assert page["KeyCount"] == len(page["Contents"]) + len(page["CommonPrefixes"]) and not page["IsTruncated"]
    for after in ("photos/2024/02/005.jpg", "photos/2024/02/0055", "é", "~~", "\U0001f600"):
        found = entries(pages("list_objects_v2", 11, StartAfter=after))
        assert found == expected(after=after), after

with scenario.check("list_objects goes on from a marker that is no key"):
    same(entries(pages("list_objects", 11, Marker="photos/2024/02/0055")), expected(after="photos/2024/02/0055"))

with scenario.check("entries carry size, ETag, time, class and, when asked, owner"):
    (entry,) = s3.list_objects_v2(Bucket=BUCKET, Prefix="é", FetchOwner=True)["Contents"]
    head = s3.head_object(Bucket=BUCKET, Key="é")
    assert entry["Size"] == len("é".encode()) and entry["ETag"] == head["ETag"] and entry["StorageClass"] == "STANDARD"
    assert entry["LastModified"].replace(microsecond=0) == head["LastModified"] and entry["Owner"]["ID"]
    (entry,) = s3.list_objects_v2(Bucket=BUCKET, Prefix="é")["Contents"]
    assert "Owner" not in entry

with scenario.check("a token outlives deletes, of the key it stands on too"):
    first = s3.list_objects_v2(Bucket=BUCKET, MaxKeys=20)
    read = [entry["Key"] for entry in first["Contents"]]
    for key in (read[0], read[-1], KEYS[20]):
        s3.delete_object(Bucket=BUCKET, Key=key)
    rest = s3.list_objects_v2(Bucket=BUCKET, ContinuationToken=first["NextContinuationToken"])
    same([entry["Key"] for entry in rest["Contents"]], KEYS[21:])

with scenario.check("max-keys 0 is an empty page, not an endless listing"):
    page = s3.list_objects_v2(Bucket=BUCKET, MaxKeys=0)
    assert page["KeyCount"] == 0 and not page["IsTruncated"] and "Contents" not in page

with scenario.check("list_buckets pages through every bucket, by prefix too"):
    prefix = scenario.bucket_name("paged")
    names = [f"{prefix}-{number}" for number in range(5)]
    for name in names:
        s3.create_bucket(Bucket=name)
    found = s3.get_paginator("list_buckets").paginate(Prefix=prefix, PaginationConfig={"PageSize": 2})
    sizes_and_names = [[bucket["Name"] for bucket in page["Buckets"]] for page in found]
    same(sizes_and_names, [names[:2], names[2:4], names[4:]])
    everything = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    assert {BUCKET, *names} <= everything
    for name in names:
        s3.delete_bucket(Bucket=name)

with scenario.check("an emptied bucket lists nothing and can be deleted"):
    for page in pages("list_objects_v2", 100):
        objects = [{"Key": entry["Key"]} for entry in page["Contents"]]
        s3.delete_objects(Bucket=BUCKET, Delete={"Objects": objects, "Quiet": True})
    same(s3.list_objects_v2(Bucket=BUCKET)["KeyCount"], 0)
    s3.delete_bucket(Bucket=BUCKET)

scenario.finish()
