//! A hostile storage that speaks Azure's protocol: markers that lead in circles, and more than was asked for.

use crate::{
    gateway::{Gateway, settings},
    support::hostile::{Asked, Hostile, Said},
};
use causeway::store::{ListRequest, Store, error::StoreErrorKind};
use std::{sync::Arc, time::Duration};

const PATIENCE: Duration = Duration::from_secs(60);

async fn before(
    script: impl Fn(&Asked) -> Said + Send + Sync + 'static,
) -> (Hostile, Gateway, Arc<dyn Store>) {
    let hostile = Hostile::start(script);
    let gateway = Gateway::with(settings(hostile.address()));
    let store = gateway.open("hostile").await;
    (hostile, gateway, store)
}

fn page(names: &[&str], next: &str) -> String {
    let blob = |name: &&str| {
        format!(
            "<Blob><Name>{name}</Name><Properties><Last-Modified>Sun, 29 Nov 2026 00:00:00 GMT</Last-Modified><Etag>0x1</Etag>\
             <Content-Length>1</Content-Length></Properties></Blob>"
        )
    };
    let blobs: String = names.iter().map(blob).collect();
    format!("<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>")
}

async fn list(store: &dyn Store, after: Option<&str>) -> causeway::store::Result<Vec<String>> {
    let request =
        ListRequest { limit: 2, prefix: "p/".into(), after: after.map(str::to_owned), ..Default::default() };
    let page =
        tokio::time::timeout(PATIENCE, store.list(request)).await.expect("a listing comes to an end")?;
    Ok(page.entries.iter().map(|entry| entry.name().to_owned()).collect())
}

#[tokio::test]
async fn markers_that_lead_in_a_circle_are_followed_once() {
    for circle in [1usize, 2, 7] {
        // No page has an entry that was asked for.
        let (hostile, _gateway, store) =
            before(move |asked| Said::new(200, page(&["q/x"], &format!("m{}", asked.nth % circle)))).await;
        for after in [None, Some("p/a")] {
            let error = list(&*store, after).await.expect_err("it never ends");
            assert_eq!(error.kind(), StoreErrorKind::Broken);
        }
        assert!(hostile.asked() < 100, "{} requests in a circle of {circle}", hostile.asked());
    }
}

#[tokio::test]
async fn more_than_was_asked_for_is_not_passed_on() {
    let (_hostile, _gateway, store) =
        before(|_| Said::new(200, page(&["p/c", "q", "p/a", "p/b", "p/a", "a"], ""))).await;
    assert_eq!(list(&*store, None).await.expect("a page"), ["p/a", "p/b"]);
}
