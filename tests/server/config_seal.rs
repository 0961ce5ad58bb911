//! `causeway config seal`.

use super::{
    process::{Ended, Place},
    support::{Who, raw::Raw},
};

fn seal(place: &Place, key: &str, environment: &[(&str, &str)]) -> Ended {
    place.run_with_input("hunter2\n", &["config", "seal", "--key", key], environment)
}

#[test]
fn a_secret_that_was_sealed_by_hand_is_understood() {
    let place = Place::new();
    let value = seal(&place, "identity[0].secret_key", &[]).succeeded();
    assert!(value.starts_with("{ sealed = \"v1:") && !value.contains("hunter2"), "{value}");
    assert_eq!(
        (place.names(), place.mode("causeway.toml.seal-key")),
        (vec!["causeway.toml.seal-key".to_owned()], 0o600)
    );
    place.write(
        "causeway.toml",
        &format!("[[identity]]\naccess_key = 'alice'\npolicy = 'admin'\nsecret_key = {value}"),
    );
    let server = place.serve(&["--data", "d"], &[]);
    assert_eq!(
        Raw::new(server.s3, Who { access_key: "alice", secret_key: "hunter2" }).get("/").send().status,
        200
    );
    let shown = place.run(&["config", "check", "--config", "causeway.toml"], &[]).succeeded();
    assert!(shown.contains(value.trim()) && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn the_key_may_come_from_the_environment_and_is_never_told() {
    let place = Place::new();
    let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let value = seal(&place, "backend.lake.secret_key", &[("CAUSEWAY_SEAL_KEY", key)]).succeeded();
    assert!(place.names().is_empty(), "no key was made");
    let backend = "[backend.lake]\ntype = 's3'\naccess_key = 'a'\nsecret_key = ";
    place.write("causeway.toml", &format!("{backend}{value}")).write("key", key);
    for environment in [("CAUSEWAY_SEAL_KEY", key), ("CAUSEWAY_SEAL_KEY_FILE", "key")] {
        place.run(&["config", "check", "--config", "causeway.toml"], &[environment]).succeeded();
    }
    for (environment, words) in [
        (("CAUSEWAY_SEAL_KEY", "c2hvcnQ="), "which is not 32 bytes in base64"),
        (("CAUSEWAY_SEAL_KEY_FILE", "missing"), "needs the seal key in missing: "),
    ] {
        let said = place.run(&["config", "check", "--config", "causeway.toml"], &[environment]).failed(2);
        assert!(said.contains(words) && !said.contains("c2hvcnQ"), "{said}");
    }
}

#[test]
fn only_keys_that_hold_secrets_can_be_sealed_for() {
    let place = Place::new();
    for key in
        ["secret_key", "backend.lake.endpoint", "server.listen", "identity.secret_key", "backend..secret_key"]
    {
        let said = seal(&place, key, &[]).failed(2);
        assert!(said.contains("is no key that holds a secret"), "{said}");
    }
    assert!(place.names().is_empty());
    let said =
        place.run_with_input("\n", &["config", "seal", "--key", "backend.lake.secret_key"], &[]).failed(2);
    assert!(said.contains("the secret is empty"), "{said}");
}
