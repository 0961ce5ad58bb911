//! Stored formats: every later version reads what any version ever wrote. Files are only added to
//! `tests/golden`.

use super::iam::put;
use super::sample::{bucket, completed, key, name, new_bucket, number, owner, part, row, upload, upload_id};
use super::sqlite::open;
use causeway::{
    catalog::{
        BucketId, BucketSize, BucketSizes, BucketsQuery, Catalog, DirectoryRow, Document, Documents,
        Expected, IamDocuments, IndexChange, IndexRow, KeyUse, LeftLocation, NewBucket, ObjectRow,
        PartRecord, ReplicaRecord, Revision, RowVersion, VersionRow, WhichObjects, sqlite::SqliteCatalog,
    },
    model::{CanonicalId, ChecksumAlgorithm, ChecksumKind, ChecksumSpec, ETag, Role, Timestamp},
};
use rusqlite::Connection;
use std::{path::Path, time::Duration};
use tempfile::TempDir;

fn write(dir: &Path, truth: &str, index: &str) {
    for (file, golden) in [("catalog.sqlite", truth), ("index.sqlite", index)] {
        Connection::open(dir.join(file)).and_then(|db| db.execute_batch(golden)).expect("a golden file");
    }
}

/// Checks the rows that all golden files have.
async fn check_photos(catalog: &SqliteCatalog, location: &str) -> BucketId {
    let photos = catalog.bucket(&name("photos")).await.expect("read").expect("a bucket");
    assert_eq!(photos.bucket, new_bucket("photos"));
    let document =
        |kind: &str, body: &str| Document { kind: kind.into(), body: body.into(), revision: Revision(1) };
    let all = vec![document("acl", "public-read"), document("location", "eu-west-1")];
    assert_eq!(photos.documents, Documents { revision: Revision(1), all });
    let id = photos.id;
    let begun =
        causeway::catalog::UploadRecord { location: location.into(), ..upload(id, "one", "a//b", 17) };
    assert_eq!(catalog.upload(id, &upload_id("one")).await.expect("read"), Some(begun));
    let bare = PartRecord { checksum: None, ..part(10_000, "there") };
    assert_eq!(catalog.parts(id, &upload_id("one"), 0, 9).await.expect("read"), [part(1, "here"), bare]);
    assert_eq!(
        catalog.completed_upload(id, &upload_id("two")).await.expect("read"),
        Some(completed("é", 50))
    );
    let spec = ChecksumSpec { algorithm: ChecksumAlgorithm::Sha1, kind: ChecksumKind::Composite };
    let rows = [
        row("a", 1),
        IndexRow { etag: ETag::multipart([1; 16], 12), checksum: Some(spec), ..row("é", 5 << 40) },
    ];
    assert_eq!(catalog.index_rows(id, None, 9).await.expect("rows"), rows);
    assert_eq!(catalog.index_lookup(id, vec![key("a")]).await.expect("rows"), [Some(row("a", 1))]);
    assert_eq!(catalog.index_versions(id, None, 9).await.expect("rows"), []);
    assert_eq!(catalog.state(id, "scan").await.expect("read").as_deref(), Some("half"));
    id
}

#[tokio::test]
async fn files_of_format_version_1_are_read() {
    let dir = TempDir::new().expect("a directory");
    write(dir.path(), include_str!("../golden/catalog-v1.sql"), include_str!("../golden/index-v1.sql"));
    let catalog = open(dir.path());
    let id = check_photos(&catalog, "").await;
    let size = BucketSize { name: name("photos"), objects: 2, bytes: (5 << 40) + 1 };
    assert_eq!(catalog.bucket_sizes(9).await.expect("read"), BucketSizes { largest: vec![size], others: 0 });
    assert!(bucket(&catalog, "others").await.id > id);
}

/// The last formats before documents, tenants, revisions and versions were added.
#[tokio::test]
async fn files_of_format_version_6_are_read_with_replicas_objects_and_places_left() {
    let dir = TempDir::new().expect("a directory");
    write(dir.path(), include_str!("../golden/catalog-v6.sql"), include_str!("../golden/index-v2.sql"));
    // The first start upgrades the files, the second opens the upgraded files.
    for start in 0..2 {
        let catalog = open(dir.path());
        let photos = check_photos(&catalog, "upload 17").await;
        let plain = catalog.bucket(&name("plain")).await.expect("read").expect("a bucket");
        let created = Timestamp::from_millis(1_700_000_000_456);
        let (backend, location) = ("safe".to_owned(), "safe/plain".to_owned());
        assert_eq!(
            plain.bucket,
            NewBucket { owner: owner("bob"), created, backend, location, ..new_bucket("plain") }
        );
        assert_eq!(plain.documents, Documents::default());
        let bobs = catalog
            .buckets(BucketsQuery { owner: Some("bob".into()), limit: 9, ..Default::default() })
            .await
            .expect("a page");
        assert_eq!(bobs.buckets, std::slice::from_ref(&plain));

        let replica = |id, backend: &str, rank| {
            let (seeded, refilled, unmade) = (backend == "disk", backend == "lake", backend == "nas");
            let location = format!("{backend}/plain");
            ReplicaRecord {
                id: BucketId(id),
                backend: backend.into(),
                location,
                rank,
                seeded,
                refilled,
                unmade,
                revision: Revision(1),
            }
        };
        let replicas = [replica(5, "nas", -1), replica(3, "disk", 0), replica(4, "lake", 1)];
        assert_eq!(catalog.replicas(plain.id).await.expect("read"), replicas);

        let text = |text: &str| Some(text.to_owned());
        let object = |of: &str, committed, pending| ObjectRow { key: key(of), committed, pending };
        let rows =
            [object("B", text("1"), None), object("a", None, text("2")), object("a/", text("3"), text("4"))];
        assert_eq!(catalog.objects(photos, None, 9, WhichObjects::All).await.expect("rows"), rows);
        assert_eq!(catalog.objects(photos, None, 9, WhichObjects::Unsettled).await.expect("rows"), rows[1..]);
        for (id, says) in [(plain.id, "5"), (BucketId(3), "6")] {
            let stored = catalog.object(id, &key("é")).await.expect("read").expect("a row");
            assert_eq!(stored.row, object("é", text(says), None));
        }
        let replicated = catalog.index_rows(BucketId(3), None, 9).await.expect("rows");
        assert_eq!(replicated, [IndexRow { fingerprint: Vec::new(), ..row("é", 3) }]);
        let left =
            LeftLocation { backend: "lake".into(), location: "lake/old".into(), bucket: name("older") };
        assert_eq!(catalog.left_locations().await.expect("read"), [left]);
        let stale = catalog.stale_uploads(Timestamp::from_millis(18), 9).await.expect("read");
        assert_eq!(stale.len(), 1);
        assert_eq!(catalog.state(plain.id, "scan").await.expect("read").as_deref(), Some("complete"));
        let sizes = catalog.bucket_sizes(9).await.expect("read").largest;
        assert_eq!(
            sizes.iter().map(|size| (size.objects, size.bytes)).collect::<Vec<_>>(),
            [(2, (5 << 40) + 1), (0, 0)]
        );

        // The upgraded rows can be changed.
        if start == 0 {
            let stored = catalog.object(photos, &key("a")).await.expect("read").expect("a row");
            let again = catalog
                .set_object(photos, Expected::Exactly(stored.revision), stored.row)
                .await
                .expect("swapped");
            assert_ne!(again, stored.revision);
            catalog
                .put_part(photos, &upload_id("one"), PartRecord { number: number(1), ..part(1, "here") })
                .await
                .expect("put");
        }
        let fresh = bucket(&catalog, &format!("fresh-{start}")).await;
        assert!(fresh.id > BucketId(9), "ids of deleted buckets are not given out again: {:?}", fresh.id);
        catalog.delete_bucket(fresh.id).await.expect("deleted");
        catalog.close().await.expect("closed");
    }
}

/// The last format before users, groups, roles and policies were added.
#[tokio::test]
async fn files_of_format_version_7_are_read_with_documents_identities_and_leases() {
    let dir = TempDir::new().expect("a directory");
    write(dir.path(), include_str!("../golden/catalog-v7.sql"), include_str!("../golden/index-v2.sql"));
    for start in 0..2 {
        let catalog = open(dir.path());
        check_photos(&catalog, "upload 17").await;
        let plain = catalog.bucket(&name("plain")).await.expect("read").expect("a bucket");
        let policy = Document { kind: "policy".into(), body: "{\"ä\":1}".into(), revision: Revision(5) };
        assert_eq!(plain.documents, Documents { revision: Revision(5), all: vec![policy] });
        let identities = catalog.identities().await.expect("read");
        let shown: Vec<_> = identities
            .all
            .iter()
            .map(|record| {
                let identity = &record.identity;
                (identity.access_key.as_str(), identity.tenant.as_str(), identity.role, record.revision.0)
            })
            .collect();
        assert_eq!(shown, [("carol", "default", Role::ReadOnly, 3), ("dave", "acme", Role::ReadWrite, 4)]);
        assert_eq!(identities.revision, Revision(4));
        let versions = catalog.object_versions(BucketId(1), &key("a")).await.expect("read");
        assert_eq!(versions.len(), 1);
        let lease = catalog
            .acquire_lease("scan", "node-b", Duration::from_secs(1))
            .await
            .expect("asked")
            .expect("free");
        assert_eq!(lease.fencing, 8 + start);
        assert!(catalog.release_lease(&lease).await.expect("released"));

        // No user was there before. The upgraded tables can be changed.
        let users = catalog.iam().await.expect("read");
        if start == 0 {
            assert_eq!(users, IamDocuments::default());
            catalog.change_iam(vec![put("a", "user", "bob", "1")], Expected::ABSENT).await.expect("put");
        } else {
            assert_eq!((users.all.len(), users.revision), (1, Revision(1)));
        }
        catalog.close().await.expect("closed");
    }
}

/// The last format before expiry and last use of access keys were added.
#[tokio::test]
async fn files_of_format_version_8_are_read_with_users_and_keys_that_were_never_used() {
    let dir = TempDir::new().expect("a directory");
    write(dir.path(), include_str!("../golden/catalog-v8.sql"), include_str!("../golden/index-v2.sql"));
    for start in 0..2 {
        let catalog = open(dir.path());
        check_photos(&catalog, "upload 17").await;
        let users = catalog.iam().await.expect("read");
        assert_eq!((users.all[0].key.name.as_str(), users.revision), ("bob", Revision(1)));
        let identities = catalog.identities().await.expect("read").all;
        assert_eq!(identities.len(), 2);
        assert!(identities.iter().all(|record| record.identity.details.is_empty()));
        let at = Timestamp::from_millis(5);
        let used = KeyUse { access_key: "carol".into(), at, service: "s3".into() };
        let before = catalog.key_uses().await.expect("read");
        assert_eq!(before, if start == 0 { Vec::new() } else { vec![used.clone()] });
        catalog.set_key_uses(vec![used], Vec::new()).await.expect("recorded");
        catalog.close().await.expect("closed");
    }
}

/// The last format of the index before owners of objects and directories were added.
#[tokio::test]
async fn an_index_of_format_version_3_is_read_with_versions_and_has_no_owners_and_directories() {
    let dir = TempDir::new().expect("a directory");
    write(dir.path(), include_str!("../golden/catalog-v8.sql"), include_str!("../golden/index-v3.sql"));
    let owner = CanonicalId::parse("42b0");
    for start in 0..2 {
        let catalog = open(dir.path());
        check_photos(&catalog, "upload 17").await;
        let id = BucketId(3);
        let version = RowVersion { id: Some("id-7".into()), order: 7 };
        let older = IndexRow { version, ..row("é", 7) };
        let stored = catalog.index_versions(id, None, 9).await.expect("versions");
        assert_eq!(stored, [VersionRow { row: older, is_marker: false }]);
        let owned = IndexRow { owner: owner.clone(), fingerprint: Vec::new(), ..row("é", 3) };
        let before = IndexRow { owner: owner.clone().filter(|_| start == 1), ..owned.clone() };
        assert_eq!(catalog.index_rows(id, None, 9).await.expect("rows"), [before]);
        // The upgraded rows can be changed.
        catalog.index(id, IndexChange::Put(owned)).await.expect("indexed");
        // It knows no directory.
        let root = DirectoryRow { path: String::new(), seen: vec![1] };
        let before = catalog.directories(id, None, 9).await.expect("read");
        assert_eq!(before, if start == 0 { Vec::new() } else { vec![root.clone()] });
        catalog.set_directories(id, vec![root], Vec::new()).await.expect("recorded");
        catalog.close().await.expect("closed");
    }
}
