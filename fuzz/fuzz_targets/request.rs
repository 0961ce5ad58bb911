//! Whole requests: the edge admits or refuses them, and never accepts a request signed without the secret.

#![no_main]

use bytes::Bytes;
use causeway::{
    edge::{Admitted, Edge, EdgeSettings, Keys},
    iam::{KeyInForce, Refused},
    model::{AccessKey, Identity, Owner, Role, Secret, Timestamp},
    s3::{Arrival, RequestId},
};
use http_body_util::Full;
use libfuzzer_sys::fuzz_target;
use std::{
    net::Ipv4Addr,
    sync::{Arc, LazyLock},
};

#[derive(Debug)]
struct Alice;

impl Keys for Alice {
    fn find(
        &self,
        access_key: &str,
        _token: Option<&str>,
        _now: Timestamp,
    ) -> Result<KeyInForce, Refused> {
        let owner = Owner { id: "alice".into(), display_name: "alice".into() };
        let identity = Identity::account(AccessKey("AKID".into()), Role::Admin, owner);
        match access_key {
            "AKID" => Ok(KeyInForce {
                identity: Arc::new(identity),
                secrets: Secret::new("a secret that the fuzzer does not know").into(),
                last_use: None,
            }),
            _ => Err(Refused::Unknown),
        }
    }
}

static EDGE: LazyLock<Edge> = LazyLock::new(|| {
    Edge::new(
        EdgeSettings { domains: vec!["s3.example.com".to_owned()], ..EdgeSettings::default() },
        Arc::new(Alice),
    )
});

fuzz_target!(|input: (&str, &str, Vec<(&str, &[u8])>)| {
    let (method, target, headers) = input;
    // A request that is not valid HTTP does not reach the edge.
    let mut builder = http::Request::builder().method(method).uri(target);
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    let Ok(request) = builder.body(Full::new(Bytes::new())) else { return };
    // 2026-01-02T03:04:05Z
    let at = Timestamp::from_millis(1_767_323_045_000);
    let arrival =
        Arrival { id: RequestId("id".into()), at, peer: Ipv4Addr::LOCALHOST.into(), is_secure: false };
    if let Ok(Admitted::Request(request)) = EDGE.admit(request, arrival) {
        assert!(request.context.principal.identity().is_none());
        assert!(!request.context.presigned && !request.headers.contains_key("authorization"));
    }
});
