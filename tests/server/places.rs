//! Ownership of locations: no two buckets share one, and existing data on a storage belongs to no client
//! until an operator assigns it.

use super::{
    process::{Place, Running, within},
    support::{
        Who, is,
        raw::{Raw, RawReply},
        upstream::Upstream,
    },
};
use rustix::process::Signal;

const ROOT: Who = Who { access_key: "root-user", secret_key: "root-password" };
const EVE: Who = Who { access_key: "eve", secret_key: "eve-secret" };
const IDENTITIES: &str = "[[identity]]\naccess_key = 'root-user'\nsecret_key = 'root-password'\npolicy = 'admin'\n\
     [[identity]]\naccess_key = 'eve'\nsecret_key = 'eve-secret'\n";
const TAKEN: (u16, &str) = (409, "BucketAlreadyExists");

/// A server with an administrator and an ordinary identity.
fn serve(place: &Place, config: &str) -> Running {
    place.write("causeway.toml", &format!("[server]\ndata = 'd'\n{IDENTITIES}{config}"));
    place.serve(&[], &[])
}

#[track_caller]
fn refused(server: &Running, bucket: &str) {
    let reply = Raw::new(server.s3, EVE).put(format!("/{bucket}"), "").send();
    assert_eq!(reply.failure(), is(TAKEN.0, TAKEN.1), "{bucket}");
    let reply = Raw::new(server.s3, EVE).get(format!("/{bucket}")).send();
    assert!(matches!(reply.status, 403 | 404), "{bucket} is none of hers: {}", reply.status);
}

#[track_caller]
fn done(reply: RawReply) -> String {
    assert!(matches!(reply.status, 200 | 204), "{}", reply.text());
    reply.text()
}

/// The configuration of a backend on another S3 server.
fn upstream(upstream: &Upstream, name: &str, more: &str) -> String {
    let Upstream { access_key, secret_key, .. } = upstream;
    let endpoint = upstream.endpoint();
    format!(
        "[backend.{name}]\ntype = 's3'\nendpoint = '{endpoint}'\naccess_key = '{access_key}'\nsecret_key = '{secret_key}'\n{more}"
    )
}

fn others(upstream: &Upstream) -> Raw {
    Raw::new(upstream.address, Who { access_key: upstream.access_key, secret_key: upstream.secret_key })
}

#[test]
fn no_client_gets_a_bucket_around_one_of_the_configuration_or_where_it_lies() {
    let place = Place::new();
    let server =
        serve(&place, "[bucket.reports]\nprefix = 'shared/reports'\n[bucket.album]\nprefix = 'pictures'\n");
    let admin = Raw::new(server.s3, ROOT);
    done(admin.put("/reports/secret", "s").send());
    for bucket in ["shared", "pictures"] {
        refused(&server, bucket);
        assert_eq!(
            admin.put(format!("/{bucket}"), "").send().failure(),
            is(TAKEN.0, TAKEN.1),
            "nor an administrator"
        );
    }
    done(Raw::new(server.s3, EVE).put("/share", "").send());
}

#[test]
fn what_appears_in_the_root_is_no_clients_bucket_until_it_is_adopted() {
    let place = Place::new();
    let mut server = serve(&place, "");
    let (admin, eve) = (Raw::new(server.s3, ROOT), Raw::new(server.s3, EVE));
    std::fs::create_dir(place.path("d/loot")).expect("made");
    place.write("d/loot/cat.jpg", "meow").write("d/file", "no directory");
    std::fs::create_dir(place.path("d/empty")).expect("made");
    std::os::unix::fs::symlink(place.path("d/loot"), place.path("d/link")).expect("linked");
    std::os::unix::fs::symlink("/nowhere/at/all", place.path("d/dangling")).expect("linked");
    for bucket in ["loot", "file", "empty", "link", "dangling"] {
        refused(&server, bucket);
    }
    assert!(place.read("stderr").contains("causeway bucket adopt"), "an operator is told");

    let adopt = |arguments: &[&str]| place.run(&[&["bucket", "adopt"], arguments].concat(), &[]);
    let words = adopt(&["loot", "--config", "causeway.toml"]).succeeded();
    assert!(
        words.contains("'loot' on backend 'disk' is bucket loot now, and belongs to root-user"),
        "{words}"
    );
    assert_eq!(done(admin.get("/loot/cat.jpg").send()), "meow");
    assert_eq!(eve.get("/loot/cat.jpg").send().status, 403);
    adopt(&["hers", "--prefix", "empty", "--owner", "eve", "--config", "causeway.toml"]).succeeded();
    done(eve.put("/hers/k", "x").send());
    assert_eq!(place.read("d/empty/k"), "x");
    for (arguments, words) in [
        (&["loot"][..], "there is a bucket 'loot' already"),
        (&["missing"], "nothing lies there"),
        (&["inner", "--prefix", "loot/deep"], "nothing lies there"),
        (&["again", "--prefix", "loot"], "would share a location with loot"),
        (&["file", "--backend", "none"], "no backend 'none'"),
    ] {
        let said = adopt(&[arguments, &["--config", "causeway.toml"]].concat()).failed(1);
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    let said = adopt(&["loot", "--owner", "mallory", "--config", "causeway.toml"]).failed(2);
    assert!(said.contains("no identity with the access key 'mallory'"), "{said}");

    server.signal(Signal::TERM);
    server.wait();
    let server = place.serve(&[], &[]);
    let (admin, eve) = (Raw::new(server.s3, ROOT), Raw::new(server.s3, EVE));
    assert_eq!(done(eve.get("/hers/k").send()), "x", "a restart finds our own");
    assert_eq!(done(admin.get("/loot/cat.jpg").send()), "meow");
}

#[test]
fn a_bucket_that_a_client_deleted_can_be_created_again() {
    let place = Place::new();
    let server = serve(&place, "");
    let eve = Raw::new(server.s3, EVE);
    for _ in 0..2 {
        done(eve.put("/mine", "").send());
        done(eve.put("/mine/k", "x").send());
        done(eve.request("DELETE", "/mine/k").send());
        done(eve.request("DELETE", "/mine").send());
    }
}

#[test]
fn without_an_administrator_nobody_gets_what_was_there() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("d/old")).expect("made");
    place.write("d/old/cat.jpg", "meow");
    let only_eve = "[server]\ndata = 'd'\n[[identity]]\naccess_key = 'eve'\nsecret_key = 'eve-secret'\n";
    place.write("causeway.toml", only_eve);
    let server = place.serve(&[], &[]);
    refused(&server, "old");
    assert!(place.read("stderr").contains("there is no administrator to own it"));
    let adopt = ["bucket", "adopt", "old", "--config", "causeway.toml"];
    assert!(place.run(&adopt, &[]).failed(1).contains("--owner"));
    place.run(&[&adopt[..], &["--owner", "eve"]].concat(), &[]).succeeded();
    assert_eq!(done(Raw::new(server.s3, EVE).get("/old/cat.jpg").send()), "meow");
}

#[test]
fn a_backend_that_does_not_adopt_leaves_what_is_there_alone() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("objects/old")).expect("made");
    let server = serve(&place, "[backend.disk]\ntype = 'fs'\nroot = 'objects'\nadopt = false\n");
    let admin = Raw::new(server.s3, ROOT);
    assert!(!done(admin.get("/").send()).contains("old"));
    assert_eq!(admin.put("/old", "").send().failure(), is(TAKEN.0, TAKEN.1));
}

#[test]
fn no_client_gets_a_bucket_of_the_account_that_it_did_not_make() {
    let storage = Upstream::new_causeway();
    let theirs = others(&storage);
    done(theirs.put("/loot", "").send());
    done(theirs.put("/loot/k", "theirs").send());
    done(theirs.put("/hollow", "").send());
    let place = Place::new();
    let config = upstream(&storage, "lake", "")
        + "[bucket.reports]\nremote = 'lake1'\n[bucket.deep]\nremote = 'lake2'\nprefix = 'a/b'\n";
    let server = serve(&place, &config);
    for bucket in ["lake1", "lake2", "loot", "hollow"] {
        refused(&server, bucket);
    }
    assert_eq!(theirs.get("/lake1").send().status, 404, "nothing was made there");
    assert_eq!(done(theirs.get("/loot/k").send()), "theirs");
    let eve = Raw::new(server.s3, EVE);
    for _ in 0..2 {
        done(eve.put("/mine", "").send());
        done(eve.put("/mine/k", "x").send());
        assert_eq!(done(theirs.get("/mine/k").send()), "x");
        done(eve.request("DELETE", "/mine/k").send());
        done(eve.request("DELETE", "/mine").send());
    }
    place
        .run(&["bucket", "adopt", "prize", "--remote", "loot", "--config", "causeway.toml"], &[])
        .succeeded();
    assert_eq!(done(Raw::new(server.s3, ROOT).get("/prize/k").send()), "theirs");
    assert_eq!(eve.get("/prize/k").send().status, 403);
}

#[test]
fn no_client_gets_a_prefix_of_a_shared_bucket_that_has_objects() {
    let storage = Upstream::new_causeway();
    let theirs = others(&storage);
    done(theirs.put("/all", "").send());
    done(theirs.put("/all/loot/k", "theirs").send());
    let place = Place::new();
    let server = serve(
        &place,
        &(upstream(&storage, "lake", "bucket = 'all'\n") + "[bucket.deep]\nprefix = 'shared/deep'\n"),
    );
    refused(&server, "loot");
    refused(&server, "shared");
    let eve = Raw::new(server.s3, EVE);
    done(eve.put("/mine", "").send());
    done(eve.put("/mine/k", "x").send());
    assert_eq!(done(theirs.get("/all/mine/k").send()), "x");
}

#[test]
fn one_storage_behind_two_backends_is_one_storage() {
    let storage = Upstream::new_causeway();
    let place = Place::new();
    let two = upstream(&storage, "lake", "")
        + &upstream(&storage, "cached", "metadata_ttl = '1m'\n")
        + "[default]\nbackend = 'lake'\n";
    let server = serve(&place, &(two.clone() + "[bucket.reports]\nbackend = 'cached'\nremote = 'lake1'\n"));
    refused(&server, "lake1");
    drop(server);

    let overlapping = [
        two.clone() + "[bucket.one]\nremote = 'x'\n[bucket.two]\nbackend = 'cached'\nremote = 'x'\nprefix = 'y'\n",
        "[backend.a]\ntype = 'fs'\nroot = 'r'\n[backend.b]\ntype = 'fs'\nroot = 'r/deep'\n[default]\nbackend = 'a'\n\
         [bucket.one]\nprefix = 'deep'\n[bucket.two]\nbackend = 'b'\n"
            .to_owned(),
        two + "[backend.safe]\ntype = 'replicated'\nbackends = ['lake', 'cached']\n[bucket.one]\nbackend = 'safe'\n",
    ];
    for config in overlapping {
        place.write("causeway.toml", &format!("[server]\ndata = 'd2'\n{IDENTITIES}{config}"));
        let said = place.run(&["config", "check", "--config", "causeway.toml"], &[]).failed(2);
        assert!(said.contains("overlap"), "{said}");
    }
}

#[test]
fn a_root_that_is_reached_through_a_link_is_the_same_root() {
    let place = Place::new();
    std::fs::create_dir(place.path("r")).expect("made");
    std::os::unix::fs::symlink("r", place.path("link")).expect("linked");
    let config = "[backend.a]\ntype = 'fs'\nroot = 'r'\n[backend.b]\ntype = 'fs'\nroot = 'link'\n[default]\nbackend = 'a'\n\
         [bucket.one]\nprefix = 'x'\n[bucket.two]\nbackend = 'b'\nprefix = 'x'\n";
    place.write("causeway.toml", &format!("{IDENTITIES}{config}"));
    let said = place.run(&["config", "check", "--config", "causeway.toml"], &[]).failed(2);
    assert!(said.contains("overlap"), "{said}");
}

#[test]
fn no_client_gets_what_lies_on_a_replica() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("two/loot")).expect("made");
    place.write("two/loot/k", "theirs");
    let config = "[backend.one]\ntype = 'fs'\nroot = 'one'\nadopt = false\n[backend.two]\ntype = 'fs'\nroot = 'two'\nadopt = false\n\
         [backend.safe]\ntype = 'replicated'\nbackends = ['one', 'two']\nwrite = 'first'\n[default]\nbackend = 'safe'\n\
         [bucket.reports]\nbackend = 'two'\nprefix = 'shared/reports'\n";
    let server = serve(&place, config);
    refused(&server, "loot");
    refused(&server, "shared");
    assert!(!place.path("one/loot").exists() && !place.path("one/shared").exists(), "nothing was made");
    let eve = Raw::new(server.s3, EVE);
    done(eve.put("/mine", "").send());
    done(eve.put("/mine/k", "x").send());
    assert_eq!(done(eve.get("/mine/k").send()), "x");
}

#[test]
fn a_replica_that_is_away_when_a_bucket_is_made_is_not_given_what_lies_there() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("two/loot")).expect("made");
    place.write("two/loot/k", "theirs");
    let config = |faults: &str| {
        format!(
            "[backend.one]\ntype = 'fs'\nroot = 'one'\n[backend.far]\ntype = 'fs'\nroot = 'two'\nadopt = false\n[backend.two]\ntype = 'faulty'\n\
             backend = 'far'\n{faults}[backend.safe]\ntype = 'replicated'\nbackends = ['one', 'two']\nwrite = 'first'\n[default]\nbackend = 'safe'\n"
        )
    };
    let server = serve(&place, &config("unavailable = 1\n"));
    let eve = Raw::new(server.s3, EVE);
    done(eve.put("/loot", "").send());
    done(eve.put("/loot/mine", "m").send());
    drop(server);
    let server = serve(&place, &config(""));
    let eve = Raw::new(server.s3, EVE);
    assert!(!done(eve.get("/loot").send()).contains("<Key>k<"));
    within(|| {
        place.read("stderr").contains("was there before lies in the location of the replica").then_some(())
    });
    done(eve.put("/loot/k", "hers").send());
    assert_eq!(eve.get("/loot/k").send().text(), "hers");
    assert_eq!(place.read("two/loot/k"), "theirs", "nothing of hers went there");
}

#[test]
fn buckets_that_share_a_place_since_the_configuration_changed_are_not_served() {
    let place = Place::new();
    let mut server = serve(&place, "");
    done(Raw::new(server.s3, EVE).put("/shared", "").send());
    done(Raw::new(server.s3, EVE).put("/shared/k", "x").send());
    server.signal(Signal::TERM);
    server.wait();
    std::fs::create_dir_all(place.path("d/shared/reports")).expect("made");
    let add = ["bucket", "add", "reports", "d/shared/reports", "--config", "causeway.toml"];
    let said = place.run(&add, &[]).failed(1);
    assert!(said.contains("'shared'") && said.contains("share a location"), "{said}");

    let both = format!("[server]\ndata = 'd'\n{IDENTITIES}[bucket.reports]\nprefix = 'shared/reports'\n");
    place.write("causeway.toml", &both);
    let said = place
        .run(
            &[
                "serve",
                "--config",
                "causeway.toml",
                "--listen",
                "127.0.0.1:0",
                "--admin-listen",
                "127.0.0.1:0",
            ],
            &[],
        )
        .failed(1);
    assert!(said.contains("reports") && said.contains("shared"), "{said}");
    let forget = |name: &str| place.run(&["bucket", "forget", name, "--config", "causeway.toml"], &[]);
    assert!(forget("reports").failed(2).contains("is in the configuration"));
    assert!(forget("nobody").failed(1).contains("there is no bucket 'nobody'"));
    forget("shared").succeeded();
    let server = place.serve(&[], &[]);
    assert_eq!(place.read("d/shared/k"), "x", "its objects stay");
    refused(&server, "shared");
}
