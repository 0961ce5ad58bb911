//! The reference of the configuration is compared with the code.

use std::path::Path;

#[test]
fn the_configuration_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let expected = causeway::config::reference();
    if std::env::var_os("CAUSEWAY_BLESS").is_some() {
        std::fs::write(&path, &expected).expect("written");
    }
    let actual = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        actual == expected,
        "docs/configuration.md is out of date: CAUSEWAY_BLESS=1 cargo test --test server reference"
    );
}
