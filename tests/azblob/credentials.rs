//! All ways to authenticate, with Azurite, except those that need Microsoft's own servers.

use crate::{
    client::*,
    gateway::{Gateway, endpoint, new_container, settings},
    raw,
    support::upstream::Upstream,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use causeway::{drivers::azblob::AzblobSettings, model::Secret, store::error::StoreErrorKind};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// An account SAS for blobs: Microsoft's "Create an account SAS", version 2020-12-06 and later.
fn account_sas(permissions: &str) -> String {
    let azurite = Upstream::azurite();
    let fields = [permissions, "b", "co", "", "2099-01-01T00:00:00Z", "", "https,http", "2021-12-02", ""];
    let text = format!("{}\n{}\n", azurite.access_key, fields.join("\n"));
    let key =
        ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &STANDARD.decode(azurite.secret_key).expect("base64"));
    let signature = STANDARD.encode(ring::hmac::sign(&key, text.as_bytes()));
    let signature = utf8_percent_encode(&signature, NON_ALPHANUMERIC);
    format!(
        "?sp={permissions}&ss=b&srt=co&se=2099-01-01T00%3A00%3A00Z&spr=https%2Chttp&sv=2021-12-02&sig={signature}"
    )
}

/// Runs each kind of request that is signed differently.
async fn everything_works(settings: AzblobSettings) {
    let container = new_container();
    let gateway = Gateway::with(settings);
    let store = gateway.bucket(&container).await;
    for (name, size) in [("short", 10), ("a b//ä+%\u{1}", 300_000)] {
        put_if(&*store, name, bytes(1, size), if_absent()).await.expect("was absent");
        assert!(read(&*store, name).await == bytes(1, size));
        copy(&*store, &format!("copy of {name}"), &store, name).await.expect("is copied");
    }
    let mut upload = Uploading::begin(&*store, "multi").await;
    upload.part(1, "x").await;
    upload.complete().await;
    assert_eq!(
        names(&*store).await,
        ["a b//ä+%\u{1}", "copy of a b//ä+%\u{1}", "copy of short", "multi", "short"]
    );
    for name in names(&*store).await {
        delete(&*store, &name).await;
    }
    assert!(gateway.backend.remove(&gateway.record("bucket", &container).await).await.expect("answers"));
}

#[tokio::test]
async fn a_shared_access_signature_is_enough() {
    let address = Upstream::azurite().address;
    let sas = Some(Secret::new(account_sas("rwdlactf")));
    everything_works(AzblobSettings { sas, account_key: None, ..settings(address) }).await;
}

#[tokio::test]
async fn a_connection_string_is_enough() {
    let azurite = Upstream::azurite();
    let endpoint = endpoint(azurite.address).expect("an endpoint");
    let (account, key) = (azurite.access_key, azurite.secret_key);
    let by_key = format!(
        "DefaultEndpointsProtocol=http;AccountName={account};AccountKey={key};BlobEndpoint={endpoint};"
    );
    let by_sas = format!("BlobEndpoint={endpoint};SharedAccessSignature={}", account_sas("rwdlactf"));
    for text in [by_key, by_sas] {
        everything_works(AzblobSettings {
            connection_string: Some(Secret::new(text)),
            ..AzblobSettings::default()
        })
        .await;
    }
}

#[tokio::test]
async fn a_signature_that_may_only_read_writes_nothing_and_is_not_repeated_in_errors() {
    let container = new_container();
    raw::create_container(&container);
    raw::put_blob(&container, "key", &[], b"x");
    let sas = account_sas("rl");
    let address = Upstream::azurite().address;
    let gateway = Gateway::with(AzblobSettings {
        sas: Some(Secret::new(sas.as_str())),
        account_key: None,
        ..settings(address)
    });
    let store = gateway.open(&container).await;
    assert_eq!(read(&*store, "key").await, b"x");
    for error in [
        store.put(&key("key"), request(causeway::store::payload::Payload::from_bytes("y"))).await.map(drop),
        copy(&*store, "copy", &store, "key").await.map(drop),
        store.delete(key("key").current(), &Default::default()).await.map(drop),
    ] {
        let error = error.expect_err("it may only read");
        let (_, signature) = sas.split_once("sig=").expect("is signed");
        assert_eq!(error.kind(), StoreErrorKind::Internal);
        assert!(!format!("{error} {error:?}").contains(signature));
    }
    assert_eq!(raw::blobs(&container), ["key"]);
}
