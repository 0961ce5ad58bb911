//! The two stored formats: which tables each file has, and how a file says which format it is in.
//!
//! `application_id` marks a file as one of Causeway's and says which of the two it is; `user_version` is the
//! version of its format. A change to a table is a new version with a step in `upgrades`; the golden files in
//! `tests/golden` check that every version ever written stays readable.
//!
//! Keys are BLOBs, so that their order is the order of their bytes. Times are milliseconds since the epoch.
//! Columns of the type ANY hold what `column` packs into them.

/// One stored format.
#[derive(Debug)]
pub(super) struct Format {
    pub(super) file: &'static str,
    pub(super) application_id: i32,
    /// Whether the space of deleted rows is given back (`shrink`).
    pub(super) shrinks: bool,
    /// Step N turns a file of version N into one of version N + 1; step 0 fills an empty file.
    pub(super) upgrades: &'static [&'static str],
}

impl Format {
    pub(super) fn version(&self) -> usize {
        self.upgrades.len()
    }
}

/// The truth, which cannot be rebuilt: buckets, their documents, identities, users and policies, leases,
/// uploads, their parts, how uploads ended, and what storage cannot keep of its objects.
pub(super) const TRUTH: Format = Format {
    file: "catalog.sqlite",
    application_id: 0x4357_5459,
    shrinks: false,
    upgrades: &[TRUTH_1, TRUTH_2, TRUTH_3, TRUTH_4, TRUTH_5, TRUTH_6, TRUTH_7, TRUTH_8, TRUTH_9],
};

/// The derived rows, which can be rebuilt: the ordered key index, and the progress of building it.
pub(super) const INDEX: Format = Format {
    file: "index.sqlite",
    application_id: 0x4357_4958,
    shrinks: true,
    upgrades: &[INDEX_1, INDEX_2, INDEX_3, INDEX_4],
};

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

/// From this version on, `seeded` of a replica is 2 while it is filled again.
const TRUTH_5: &str = "
CREATE TABLE left_places (
    backend TEXT NOT NULL,
    place TEXT NOT NULL,
    bucket TEXT NOT NULL,
    PRIMARY KEY (backend, place)
) STRICT, WITHOUT ROWID;
";

/// From this version on, `seeded` of a replica is 3 if its location could not be created yet.
const TRUTH_6: &str = "
CREATE INDEX buckets_by_place ON buckets (backend, place);
";

/// Names of buckets are unique within a tenant, and so are ids of their owners; a bucket and its owner have
/// the same tenant. ACLs and locations become documents; a default value is not stored. `buckets.settings` is
/// the revision of a bucket's documents; revisions of objects are random. Versions behind the current one
/// have a table of their own, the newest of a key first, so that the table of current objects does not grow
/// with them. `leases.owner` is NULL after a release; the row keeps the fencing number.
const TRUTH_7: &str = "
CREATE TABLE buckets_7 (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    owner_name TEXT NOT NULL,
    created INTEGER NOT NULL,
    backend TEXT NOT NULL,
    place TEXT NOT NULL,
    replica_of INTEGER,
    rank INTEGER NOT NULL DEFAULT 0,
    seeded INTEGER NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL DEFAULT 1,
    settings INTEGER NOT NULL DEFAULT 0,
    UNIQUE (tenant, name)
) STRICT;

CREATE TABLE documents (
    bucket INTEGER NOT NULL,
    kind TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (bucket, kind)
) STRICT, WITHOUT ROWID;

INSERT INTO documents SELECT id, 'acl', 1, acl FROM buckets WHERE replica_of IS NULL AND acl <> 'private';
INSERT INTO documents SELECT id, 'location', 1, location FROM buckets WHERE replica_of IS NULL AND location <> '';
INSERT INTO buckets_7 (id, tenant, name, owner_id, owner_name, created, backend, place, replica_of, rank, seeded, settings)
    SELECT id, 'default', name, owner_id, owner_name, created, backend, place, replica_of, rank, seeded,
           EXISTS (SELECT 1 FROM documents WHERE documents.bucket = buckets.id)
    FROM buckets ORDER BY id;
-- Ids of deleted buckets are not given out again.
DELETE FROM sqlite_sequence WHERE name = 'buckets_7';
INSERT INTO sqlite_sequence (name, seq) SELECT 'buckets_7', seq FROM sqlite_sequence WHERE name = 'buckets';
DROP TABLE buckets;
ALTER TABLE buckets_7 RENAME TO buckets;
CREATE INDEX buckets_by_owner ON buckets (tenant, owner_id, name);
CREATE INDEX buckets_by_replicated ON buckets (replica_of, rank) WHERE replica_of IS NOT NULL;
CREATE INDEX buckets_by_place ON buckets (backend, place);

ALTER TABLE objects ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
CREATE TABLE object_versions (
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    version_order INTEGER NOT NULL,
    stands TEXT,
    intended TEXT,
    revision INTEGER NOT NULL,
    PRIMARY KEY (bucket, key, version_order DESC)
) STRICT, WITHOUT ROWID;

CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    owner TEXT,
    fencing INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE identities (
    access_key TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    role TEXT NOT NULL,
    name TEXT,
    secret TEXT NOT NULL,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE revisions (
    name TEXT PRIMARY KEY,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO revisions VALUES ('identities', 0);
";

/// Users, groups, roles and managed policies. `account` is the canonical id of an owner.
const TRUTH_8: &str = "
CREATE TABLE iam (
    tenant TEXT NOT NULL,
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (tenant, account, kind, name)
) STRICT, WITHOUT ROWID;
INSERT INTO revisions VALUES ('iam', 0);
";

/// The expiry and other facts of identities, as text of whoever keeps them, and the last use of access keys.
const TRUTH_9: &str = "
ALTER TABLE identities ADD COLUMN details TEXT NOT NULL DEFAULT '';
CREATE TABLE key_uses (
    access_key TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    service TEXT NOT NULL
) STRICT, WITHOUT ROWID;
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

/// The size of each bucket, updated with every change of its keys. It is stored as whole GiB and the
/// remaining bytes, so that no sum overflows: a sparse file may have a size of 8 EiB.
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

/// `keys` has what LIST shows; `key_versions` has the versions behind it, the newest of a key first, and
/// delete markers. `deletions` has the generations of numbered deletions; there, `version_order` -1 means the
/// row that LIST shows.
const INDEX_3: &str = "
ALTER TABLE keys ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN version TEXT;
ALTER TABLE keys ADD COLUMN version_order INTEGER NOT NULL DEFAULT 0;
CREATE TABLE key_versions (
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    version_order INTEGER NOT NULL,
    size INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    checksum INTEGER,
    etag ANY NOT NULL,
    fingerprint BLOB NOT NULL,
    generation INTEGER NOT NULL,
    version TEXT,
    marker INTEGER NOT NULL,
    PRIMARY KEY (bucket, key, version_order DESC)
) STRICT, WITHOUT ROWID;
CREATE TABLE deletions (
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    version_order INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    PRIMARY KEY (bucket, key, version_order)
) STRICT, WITHOUT ROWID;
";

/// The owner of an object, if it is not that of the bucket. The directories of buckets, as the last scan that read
/// each of them saw it: `seen` belongs to the driver.
const INDEX_4: &str = "
ALTER TABLE keys ADD COLUMN owner TEXT;
ALTER TABLE key_versions ADD COLUMN owner TEXT;
CREATE TABLE directories (
    bucket INTEGER NOT NULL,
    path BLOB NOT NULL,
    seen BLOB NOT NULL,
    PRIMARY KEY (bucket, path)
) STRICT, WITHOUT ROWID;
";
