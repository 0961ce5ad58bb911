//! AssumeRoleWithWebIdentity, with a provider that the test plays.

use super::*;
use crate::{
    model::Issuer,
    oidc::{Fetch, ProviderSettings},
};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

pub(super) const ISSUER: &str = "https://id.example/realm";
/// A key and a token that another implementation has made.
const RSA_KEY: &str = r#"{"kty":"RSA","kid":"rsa-1","use":"sig","alg":"RS256","n":"7dxBnHoecx77SkT6E9R-mxFx1lfuubLSWWG0UWlgMfYxmhK8RTTvim21beGQChiu4q1Xnb3znluemNJNxoTVpg8UxuVfbJiS2t4f-VMUcBOw9IQBzACjneV91is6CmRyXz3DMxzuxYnupBYwMyEBK0NY2tCs5SvaPNReO__HBK-cT4SHYzRkToLNktS9Vh4ArzFUKckAaO3mIxVUne68X5U8vetbyEKjvH6kO4aleCtdRMUQwg7cRx4TaWBCy3IkaNPoUL3Nax0p3N_4tWLHXEea4a_1AwQoTfb_vV3pfl1PQPfobx2U8EXkawv9Pc3RamDNltISqVF6ugZOlApjYQ","e":"AQAB"}"#;
const RSA_TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYS0xIiwidHlwIjoiSldUIn0.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUvcmVhbG0iLCJzdWIiOiJib2IiLCJhdWQiOlsib3RoZXIiLCJjYXVzZXdheSJdLCJleHAiOjQxMDI0NDQ4MDAsImlhdCI6MTc2NzMyMzAwMH0.1Vl8V-XAocua6SfsqVcZHq0BRJJFAaX-CbOPSEh2QMa3UbgBGIWNYIYdQOM_Eyci-e7mdcWJ4Sadp4f2-KeUHHJ9ozWJkema6n0PFHVw2rliysxuDfe-MwE9FOZ4gnDbmpWbjui3hHlEKHtUiMQBLMLZyGr4upDOXr0hMA-t-nknG-5rlzwFuk1jhTcL7xWMOpec-laV1DOHmwOyR53p16f7S5Sg6_WHYbg4HPh5af6kTsFKkNpSwryMYyIcboDxqRgJkCkxPXFSu0i6iu50gPImtHacfdGVxiSJ7qzAP6ONRzy1OzwUDO0c8p9xWuYS7WsGNLRt3gMAziPT_WaYXA";

/// A provider of tokens.
#[derive(Debug)]
pub(super) struct Realm {
    issuer: String,
    keys: Mutex<Vec<String>>,
    pub(super) asked: AtomicUsize,
}

impl Realm {
    pub(super) fn new(keys: Vec<String>) -> Arc<Self> {
        Arc::new(Self { issuer: ISSUER.to_owned(), keys: Mutex::new(keys), asked: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl Fetch for Realm {
    async fn get(&self, url: &str, _limit: usize) -> Result<Bytes, String> {
        match url {
            "https://id.example/realm/.well-known/openid-configuration" => {
                self.asked.fetch_add(1, Ordering::SeqCst);
                let document = format!(
                    r#"{{"issuer":"{}","jwks_uri":"https://id.example/keys","other":1}}"#,
                    self.issuer
                );
                Ok(document.into())
            }
            "https://id.example/keys" => {
                Ok(format!(r#"{{"keys":[{}]}}"#, self.keys.lock().expect("keys").join(",")).into())
            }
            other => Err(format!("{other}: not found")),
        }
    }

    async fn post(
        &self,
        url: &str,
        _: String,
        _: Option<String>,
        _: usize,
    ) -> Result<(StatusCode, Bytes), String> {
        Err(format!("{url}: nobody signs in here"))
    }
}

pub(super) struct Key {
    id: &'static str,
    pair: EcdsaKeyPair,
}

impl Key {
    pub(super) fn new(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random);
        Self { id, pair: pair.expect("a key") }
    }

    pub(super) fn public(&self) -> String {
        let point = self.pair.public_key().as_ref();
        let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
        format!(
            r#"{{"kty":"EC","crv":"P-256","kid":"{}","x":"{}","y":"{}"}}"#,
            self.id,
            part(1..33),
            part(33..65)
        )
    }

    fn sign(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("signed");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub(super) fn token(&self, claims: &str) -> String {
        self.sign(&format!(r#"{{"alg":"ES256","kid":"{}"}}"#, self.id), claims)
    }
}

/// Claims that hold.
pub(super) fn claims() -> String {
    let now = NOW / 1000;
    format!(r#"{{"iss":"{ISSUER}","sub":"bob","aud":"causeway","exp":{},"iat":{now}}}"#, now + 300)
}

struct Scene {
    gateway: Gateway,
    realm: Arc<Realm>,
    key: Key,
}

impl Scene {
    async fn new() -> Self {
        let key = Key::new("one");
        let keys = vec![key.public(), RSA_KEY.to_owned(), r#"{"kty":"oct","k":"AAAA"}"#.to_owned()];
        let realm = Realm::new(keys);
        let issuer = Issuer::parse(ISSUER).expect("an issuer");
        let settings = ProviderSettings { issuer, audiences: vec!["causeway".to_owned()] };
        let fetch: Arc<dyn Fetch> = realm.clone();
        let gateway = Gateway::with(Providers::new([(settings, fetch)])).await;
        let provider = format!("arn:aws:iam::{}:oidc-provider/id.example/realm", account("root"));
        let text = trust(&format!(r#"{{"Federated":"{provider}"}}"#), "sts:AssumeRoleWithWebIdentity").replace(
            "}]}",
            r#","Condition":{"StringEquals":{"id.example/realm:sub":"bob","id.example/realm:aud":"causeway"}}}]}"#,
        );
        gateway
            .root(&[("CreateRole", ""), ("RoleName", "web"), ("AssumeRolePolicyDocument", &text)])
            .await
            .ok();
        let policy = allow("iam:ListUsers", "*");
        let put =
            [("PutRolePolicy", ""), ("RoleName", "web"), ("PolicyName", "p"), ("PolicyDocument", &*policy)];
        gateway.root(&put).await.ok();
        Self { gateway, realm, key }
    }

    async fn assume(&self, token: &str) -> Said {
        let role = arn("role", "web");
        let call = [
            ("AssumeRoleWithWebIdentity", ""),
            ("RoleArn", &*role),
            ("RoleSessionName", "work"),
            ("WebIdentityToken", token),
        ];
        self.gateway.call_as(None, None, &call).await
    }
}

#[tokio::test]
async fn whom_a_provider_vouches_for_gets_the_role_that_trusts_it() {
    let scene = Scene::new().await;
    let said = scene.assume(&scene.key.token(&claims())).await.ok();
    assert_eq!(
        (said.get("SubjectFromWebIdentityToken"), said.get("Audience")),
        ("bob".to_owned(), "causeway".to_owned())
    );
    let session = said.temporary();
    scene.gateway.by_session(&session, &[("ListUsers", "")]).await.ok();
    assert_eq!(
        scene.gateway.by_session(&session, &[("ListRoles", "")]).await.code(),
        is(403, "AccessDenied")
    );
    scene.assume(RSA_TOKEN).await.ok();
    scene.assume(&scene.key.token(&claims())).await.ok();
    assert_eq!(scene.realm.asked.load(Ordering::SeqCst), 1, "the keys are kept");
}

#[tokio::test]
async fn a_token_counts_only_if_everything_in_it_holds() {
    let scene = Scene::new().await;
    let (good, now) = (claims(), NOW / 1000);
    let changed = |from: &str, to: &str| {
        let claims = good.replace(from, to);
        assert_ne!(claims, good, "{from}");
        scene.key.token(&claims)
    };
    let stranger = Key::new("one");
    let valid = scene.key.token(&good);
    let (head, signature) = valid.rsplit_once('.').expect("a signature");
    let swapped = format!("{head}.{}", signature.chars().rev().collect::<String>());
    let unsigned =
        format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(&good));
    for (token, code) in [
        (changed(ISSUER, "https://evil.example"), (400, "InvalidIdentityToken")),
        (changed("causeway", "another"), (400, "InvalidIdentityToken")),
        (
            changed(r#""aud":"causeway""#, r#""aud":"causeway","azp":"another""#),
            (400, "InvalidIdentityToken"),
        ),
        (changed(&format!("{}", now + 300), &now.to_string()), (400, "ExpiredTokenException")),
        (
            changed(&format!(r#""iat":{now}"#), &format!(r#""nbf":{}"#, now + 61)),
            (400, "InvalidIdentityToken"),
        ),
        (changed(r#""exp""#, r#""expires""#), (400, "InvalidIdentityToken")),
        (changed("bob", ""), (400, "InvalidIdentityToken")),
        (changed("bob", "eve"), (403, "AccessDenied")),
        (stranger.token(&good), (400, "InvalidIdentityToken")),
        (swapped, (400, "InvalidIdentityToken")),
        (unsigned, (400, "InvalidIdentityToken")),
        (scene.key.sign(r#"{"alg":"HS256","kid":"one"}"#, &good), (400, "InvalidIdentityToken")),
        (scene.key.sign(r#"{"alg":"RS256","kid":"one"}"#, &good), (400, "InvalidIdentityToken")),
        (scene.key.sign(r#"{"alg":"ES256","kid":"one","crit":["x"]}"#, &good), (400, "InvalidIdentityToken")),
        ("nothing".to_owned(), (400, "InvalidIdentityToken")),
        (format!("{RSA_TOKEN}{}", "A".repeat(20_000)), (400, "InvalidIdentityToken")),
    ] {
        let said = scene.assume(&token).await;
        assert_eq!(said.code(), is(code.0, code.1), "{token}");
    }
    scene.assume(&valid).await.ok();
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_rotated_is_found_and_a_provider_is_asked_no_more_often_for_strange_keys() {
    let scene = Scene::new().await;
    scene.assume(&scene.key.token(&claims())).await.ok();
    let new = Key::new("two");
    *scene.realm.keys.lock().expect("keys") = vec![new.public()];
    for _ in 0..10 {
        assert_eq!(scene.assume(&new.token(&claims())).await.code(), is(400, "InvalidIdentityToken"));
    }
    assert_eq!(scene.realm.asked.load(Ordering::SeqCst), 1, "it was asked a moment ago");
    tokio::time::advance(Duration::from_secs(2)).await;
    scene.assume(&new.token(&claims())).await.ok();
    assert_eq!(scene.realm.asked.load(Ordering::SeqCst), 2);
    // The old key is not among the keys of the provider any more.
    assert_eq!(scene.assume(&scene.key.token(&claims())).await.code(), is(400, "InvalidIdentityToken"));
    // Keys that are old are fetched again, and count for a day if that fails.
    scene.realm.keys.lock().expect("keys").clear();
    *scene.realm.keys.lock().expect("keys") = vec!["{".to_owned()];
    tokio::time::advance(Duration::from_secs(15 * 60)).await;
    scene.assume(&new.token(&claims())).await.ok();
    tokio::time::advance(Duration::from_secs(24 * 60 * 60)).await;
    assert_eq!(scene.assume(&new.token(&claims())).await.code(), is(400, "IDPCommunicationError"));
}
