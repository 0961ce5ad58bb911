PRAGMA application_id = 1129796697;
PRAGMA user_version = 8;
BEGIN TRANSACTION;
CREATE TABLE "buckets" (
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
INSERT INTO "buckets" VALUES(1,'default','photos','alice','the one called alice',1700000000123,'disk','some/where/photos',NULL,0,0,1,1);
INSERT INTO "buckets" VALUES(2,'default','plain','bob','the one called bob',1700000000456,'safe','safe/plain',NULL,0,0,1,5);
INSERT INTO "buckets" VALUES(3,'default','2@disk','bob','the one called bob',1700000000456,'disk','disk/plain',2,0,1,1,0);
INSERT INTO "buckets" VALUES(4,'default','2@lake','bob','the one called bob',1700000000456,'lake','lake/plain',2,1,2,1,0);
INSERT INTO "buckets" VALUES(5,'default','2@nas','bob','the one called bob',1700000000456,'nas','nas/plain',2,-1,3,1,0);
CREATE TABLE completed (
    bucket INTEGER NOT NULL,
    upload TEXT NOT NULL,
    key BLOB NOT NULL,
    at INTEGER NOT NULL,
    etag ANY NOT NULL,
    modified INTEGER NOT NULL,
    checksum TEXT,
    PRIMARY KEY (bucket, upload)
) STRICT, WITHOUT ROWID;
INSERT INTO "completed" VALUES(1,'two',X'C3A9',50,'03030303030303030303030303030303-2',49,'{"algorithm":"SHA256","kind":"COMPOSITE","value":"CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=-2"}');
CREATE TABLE documents (
    bucket INTEGER NOT NULL,
    kind TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (bucket, kind)
) STRICT, WITHOUT ROWID;
INSERT INTO "documents" VALUES(1,'acl',1,'public-read');
INSERT INTO "documents" VALUES(1,'location',1,'eu-west-1');
INSERT INTO "documents" VALUES(2,'policy',5,'{"ä":1}');
CREATE TABLE iam (
    tenant TEXT NOT NULL,
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (tenant, account, kind, name)
) STRICT, WITHOUT ROWID;
INSERT INTO "iam" VALUES('default','9a','user','bob','{"name":"Bob"}',1);
CREATE TABLE identities (
    access_key TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    role TEXT NOT NULL,
    name TEXT,
    secret TEXT NOT NULL,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "identities" VALUES('carol','default','readonly','the one called carol','v1:c2VhbGVk',3);
INSERT INTO "identities" VALUES('dave','acme','readwrite',NULL,'v1:c2VhbGVk',4);
CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    owner TEXT,
    fencing INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "leases" VALUES('scan','node-a',7,0);
CREATE TABLE left_places (
    backend TEXT NOT NULL,
    place TEXT NOT NULL,
    bucket TEXT NOT NULL,
    PRIMARY KEY (backend, place)
) STRICT, WITHOUT ROWID;
INSERT INTO "left_places" VALUES('lake','lake/old','older');
CREATE TABLE object_versions (
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    version_order INTEGER NOT NULL,
    stands TEXT,
    intended TEXT,
    revision INTEGER NOT NULL,
    PRIMARY KEY (bucket, key, version_order DESC)
) STRICT, WITHOUT ROWID;
INSERT INTO "object_versions" VALUES(1,X'61',9,'nine',NULL,77);
CREATE TABLE objects (
    bucket INTEGER NOT NULL,
    key BLOB NOT NULL,
    stands TEXT,
    intended TEXT, revision INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;
INSERT INTO "objects" VALUES(1,X'42','1',NULL,1);
INSERT INTO "objects" VALUES(1,X'61',NULL,'2',1);
INSERT INTO "objects" VALUES(1,X'612F','3','4',1);
INSERT INTO "objects" VALUES(2,X'C3A9','5',NULL,1);
INSERT INTO "objects" VALUES(3,X'C3A9','6',NULL,1);
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
INSERT INTO "parts" VALUES(1,1,5242880,X'01010101010101010101010101010101','CRC64NVME:AQIDBAUGB/8=',1700000000789,'here');
INSERT INTO "parts" VALUES(1,10000,5242880,X'10101010101010101010101010101010',NULL,1700000000789,'there');
CREATE TABLE revisions (
    name TEXT PRIMARY KEY,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "revisions" VALUES('iam',1);
INSERT INTO "revisions" VALUES('identities',4);
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
    attributes TEXT NOT NULL, location TEXT NOT NULL DEFAULT '',
    UNIQUE (bucket, upload)
) STRICT;
INSERT INTO "uploads" VALUES(1,1,'one',X'612F2F62',17,'bob','the one called bob',21,1,'{"content_type":"text/plain","user":{"colour":"bl\"ue"},"tags":[{"key":"tag","value":"ä = &"}],"acl":"bucket-owner-read"}','upload 17');
CREATE INDEX uploads_as_listed ON uploads (bucket, key, initiated, upload);
CREATE INDEX uploads_by_age ON uploads (initiated);
CREATE INDEX completed_by_age ON completed (at);
CREATE INDEX objects_unsettled ON objects (bucket, key) WHERE intended IS NOT NULL;
CREATE INDEX buckets_by_owner ON buckets (tenant, owner_id, name);
CREATE INDEX buckets_by_replicated ON buckets (replica_of, rank) WHERE replica_of IS NOT NULL;
CREATE INDEX buckets_by_place ON buckets (backend, place);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('buckets',9);
COMMIT;
