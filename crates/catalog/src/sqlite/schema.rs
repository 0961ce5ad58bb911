//! The two stored formats: which tables each file has, and how a file says which format it is in.
//!
//! `application_id` says that a file is ours and which of the two, `user_version` is the version of its format. A change
//! to a table is a new version with a step in `upgrades`; the golden files in `tests/golden` hold every version ever
//! written to being readable.
//!
//! Keys are BLOBs, so that their order is the order of their bytes. Times are milliseconds since the epoch. Columns of
//! the type ANY hold what `column` packs into them.

/// One stored format.
#[derive(Debug)]
pub(super) struct Format {
    pub(super) file: &'static str,
    pub(super) application_id: i32,
    /// Step N makes a file of version N one of version N + 1; step 0 fills an empty file.
    pub(super) upgrades: &'static [&'static str],
}

impl Format {
    pub(super) fn version(&self) -> usize {
        self.upgrades.len()
    }
}

/// What cannot be had again: buckets, uploads, their parts, how uploads ended, and what storage cannot keep of its objects.
pub(super) const TRUTH: Format =
    Format { file: "catalog.sqlite", application_id: 0x4357_5459, upgrades: &[TRUTH_1, TRUTH_2, TRUTH_3, TRUTH_4, TRUTH_5, TRUTH_6] };

/// What can: the ordered key index, and how far its making has come.
pub(super) const INDEX: Format = Format { file: "index.sqlite", application_id: 0x4357_4958, upgrades: &[INDEX_1, INDEX_2] };

const TRUTH_1: &str = "
CREATE TABLE buckets (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    owner_id TEXT NOT NULL,
    owner_name TEXT NOT NULL,
    created INTEGER NOT NULL,
    acl TEXT NOT NULL,
    location TEXT NOT NULL,
    backend TEXT NOT NULL,
    place TEXT NOT NULL
) STRICT;
CREATE INDEX buckets_by_owner ON buckets (owner_id, name);

CREATE TABLE uploads (
    id INTEGER PRIMARY KEY,
    bucket INTEGER NOT NULL,
    upload TEXT NOT NULL,
    key BLOB NOT NULL,
    initiated INTEGER NOT NULL,
    initiator_id TEXT NOT NULL,
    initiator_name TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    explicit_checksum INTEGER NOT NULL,
    attributes TEXT NOT NULL,
    UNIQUE (bucket, upload)
) STRICT;
CREATE INDEX uploads_as_listed ON uploads (bucket, key, initiated, upload);
CREATE INDEX uploads_by_age ON uploads (initiated);

CREATE TABLE parts (
    upload INTEGER NOT NULL,
    number INTEGER NOT NULL,
    size INTEGER NOT NULL,
    md5 BLOB NOT NULL,
    checksum TEXT,
    modified INTEGER NOT NULL,
    location TEXT NOT NULL,
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE completed (
    bucket INTEGER NOT NULL,
    upload TEXT NOT NULL,
    key BLOB NOT NULL,
    at INTEGER NOT NULL,
    size INTEGER NOT NULL,
    etag ANY NOT NULL,
    modified INTEGER NOT NULL,
    checksum TEXT,
    PRIMARY KEY (bucket, upload)
) STRICT, WITHOUT ROWID;
CREATE INDEX completed_by_age ON completed (at);
";

const TRUTH_2: &str = "
ALTER TABLE uploads ADD COLUMN location TEXT NOT NULL DEFAULT '';
ALTER TABLE completed DROP COLUMN size;
";

const TRUTH_3: &str = "
CREATE TABLE objects (
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    stands TEXT,
    intended TEXT,
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX objects_unsettled ON objects (bucket, key) WHERE intended IS NOT NULL;
";

const TRUTH_4: &str = "
ALTER TABLE buckets ADD COLUMN replica_of INTEGER;
ALTER TABLE buckets ADD COLUMN rank INTEGER NOT NULL DEFAULT 0;
ALTER TABLE buckets ADD COLUMN seeded INTEGER NOT NULL DEFAULT 0;
CREATE INDEX buckets_by_replicated ON buckets (replica_of, rank) WHERE replica_of IS NOT NULL;
";

/// `seeded` of replicas is 2 from now on where one is filled anew.
const TRUTH_5: &str = "
CREATE TABLE left_places (
    backend TEXT NOT NULL,
    place TEXT NOT NULL,
    bucket TEXT NOT NULL,
    PRIMARY KEY (backend, place)
) STRICT, WITHOUT ROWID;
";

/// `seeded` of replicas is 3 from now on where the place could not be made yet.
const TRUTH_6: &str = "
CREATE INDEX buckets_by_place ON buckets (backend, place);
";

const INDEX_1: &str = "
CREATE TABLE keys (
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    size INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    checksum INTEGER,
    etag ANY NOT NULL,
    fingerprint BLOB NOT NULL,
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE state (
    bucket INTEGER NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (bucket, name)
) STRICT, WITHOUT ROWID;
";

/// How much each bucket holds, kept with every change of its keys. A size is stored as whole GiB and the bytes beside them, so that no
/// sum of sizes overflows: a file with holes may say that it has 8 EiB.
const INDEX_2: &str = "
CREATE TABLE sizes (
    bucket INTEGER PRIMARY KEY,
    objects INTEGER NOT NULL,
    gib INTEGER NOT NULL,
    rest INTEGER NOT NULL
) STRICT;
INSERT INTO sizes SELECT bucket, count(*), sum(size >> 30), sum(size & 1073741823) FROM keys GROUP BY bucket;
INSERT INTO sizes SELECT DISTINCT bucket, 0, 0, 0 FROM state WHERE bucket NOT IN (SELECT bucket FROM sizes);
";
