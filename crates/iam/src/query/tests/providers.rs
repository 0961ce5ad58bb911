//! OpenID Connect providers that accounts make by API, and whom they vouch for.

use super::{
    web::{ISSUER, Key, Realm, claims},
    *,
};
use crate::{
    model::{Issuer, IssuerPattern},
    oidc::{AllowedIssuers, Fetch, ProviderSettings},
};
use std::sync::atomic::Ordering;

const NAME: &str = "id.example/realm";
const THUMBPRINT: &str = "3768084dfb3d2b68b7897bf5f565da8ef0123456";

fn provider_arn() -> String {
    arn("oidc-provider", NAME)
}

fn allowing(realm: &Arc<Realm>, pattern: &str) -> Providers {
    let fetch: Arc<dyn Fetch> = realm.clone();
    let issuers = IssuerPattern::parse(pattern).expect("a pattern");
    Providers::default().allowing(vec![AllowedIssuers { issuers, fetch }])
}

async fn gateway() -> Gateway {
    Gateway::with(allowing(&Realm::new(Vec::new()), "https://id.example/*")).await
}

async fn create(gateway: &Gateway, further: &[(&str, &str)]) -> Said {
    gateway.root(&[&[("CreateOpenIDConnectProvider", ""), ("Url", ISSUER)], further].concat()).await
}

async fn on(gateway: &Gateway, action: &str, further: &[(&str, &str)]) -> Said {
    let provider = provider_arn();
    gateway.root(&[&[(action, ""), ("OpenIDConnectProviderArn", &*provider)], further].concat()).await
}

#[tokio::test]
async fn a_provider_is_made_listed_changed_and_deleted() {
    let gateway = gateway().await;
    let further = [
        ("ClientIDList.member.1", "b"),
        ("ClientIDList.member.2", "a"),
        ("ThumbprintList.member.1", THUMBPRINT),
    ];
    let made = create(&gateway, &further).await.ok();
    assert_eq!(made.get("OpenIDConnectProviderArn"), provider_arn());
    let listed = gateway.root(&[("ListOpenIDConnectProviders", "")]).await.ok();
    assert_eq!((listed.get("Arn"), listed.count("member")), (provider_arn(), 1));
    let got = on(&gateway, "GetOpenIDConnectProvider", &[]).await.ok();
    assert_eq!((got.get("Url"), got.get("CreateDate")), (NAME.to_owned(), "2026-01-02T03:04:05Z".to_owned()));
    assert_eq!(got.get("ClientIDList"), "<member>b</member><member>a</member>");
    assert_eq!(got.get("ThumbprintList"), format!("<member>{THUMBPRINT}</member>"));
    for id in ["c", "a"] {
        on(&gateway, "AddClientIDToOpenIDConnectProvider", &[("ClientID", id)]).await.ok();
    }
    for id in ["b", "none"] {
        on(&gateway, "RemoveClientIDFromOpenIDConnectProvider", &[("ClientID", id)]).await.ok();
    }
    let other = THUMBPRINT.replace('3', "4");
    on(&gateway, "UpdateOpenIDConnectProviderThumbprint", &[("ThumbprintList.member.1", &other)]).await.ok();
    let got = on(&gateway, "GetOpenIDConnectProvider", &[]).await.ok();
    assert_eq!(got.get("ClientIDList"), "<member>a</member><member>c</member>");
    assert_eq!(got.get("ThumbprintList"), format!("<member>{other}</member>"));
    let summary = gateway.root(&[("GetAccountSummary", "")]).await.ok();
    assert!(summary.text.contains("<key>Providers</key><value>1</value>"), "{}", summary.text);
    on(&gateway, "DeleteOpenIDConnectProvider", &[]).await.ok();
    for action in ["GetOpenIDConnectProvider", "DeleteOpenIDConnectProvider", "ListOpenIDConnectProviderTags"]
    {
        assert_eq!(on(&gateway, action, &[]).await.code(), is(404, "NoSuchEntity"), "{action}");
    }
}

#[tokio::test]
async fn a_provider_is_found_again_when_the_catalog_is_read_again() {
    let gateway = gateway().await;
    create(&gateway, &[("ClientIDList.member.1", "a")]).await.ok();
    gateway.directory.refresh().await.expect("read");
    let got = on(&gateway, "GetOpenIDConnectProvider", &[]).await.ok();
    assert_eq!(got.get("ClientIDList"), "<member>a</member>");
}

#[tokio::test]
async fn tags_of_a_provider_are_set_listed_and_removed() {
    let gateway = gateway().await;
    let tag = |key, value| [("Tags.member.1.Key", key), ("Tags.member.1.Value", value)];
    let made = create(&gateway, &tag("team", "b")).await.ok();
    assert_eq!(made.get("Tags"), "<member><Key>team</Key><Value>b</Value></member>");
    on(&gateway, "TagOpenIDConnectProvider", &tag("cost", "a")).await.ok();
    let tags =
        "<member><Key>cost</Key><Value>a</Value></member><member><Key>team</Key><Value>b</Value></member>";
    assert_eq!(on(&gateway, "ListOpenIDConnectProviderTags", &[]).await.ok().get("Tags"), tags);
    assert_eq!(on(&gateway, "GetOpenIDConnectProvider", &[]).await.ok().get("Tags"), tags);
    on(&gateway, "UntagOpenIDConnectProvider", &[("TagKeys.member.1", "team")]).await.ok();
    let listed = on(&gateway, "ListOpenIDConnectProviderTags", &[]).await.ok();
    assert_eq!(listed.get("Tags"), "<member><Key>cost</Key><Value>a</Value></member>");
    // Whoever makes a provider needs a permission of its own to tag it.
    let bob = gateway.user("bob", "iam:CreateOpenIDConnectProvider").await;
    let url = ("Url", "https://id.example/other");
    let tagged = [&[("CreateOpenIDConnectProvider", ""), url][..], &tag("a", "b")].concat();
    assert_eq!(gateway.by(&bob, &tagged).await.code(), is(403, "AccessDenied"));
    gateway.by(&bob, &tagged[..2]).await.ok();
}

#[tokio::test]
async fn an_issuer_that_the_configuration_does_not_allow_gets_no_provider() {
    let gateway = gateway().await;
    for url in ["https://evil.example", "http://id.example/realm", "https://id.example.evil.example/realm"] {
        let said = gateway.root(&[("CreateOpenIDConnectProvider", ""), ("Url", url)]).await;
        assert_eq!(said.code(), is(403, "AccessDenied"), "{url}");
        assert!(said.text.contains("[[oidc_allowed]]"), "{}", said.text);
    }
    let closed = Gateway::new().await;
    assert_eq!(create(&closed, &[]).await.code(), is(403, "AccessDenied"), "nothing is allowed by default");
}

#[tokio::test]
async fn an_issuer_has_one_provider_in_an_account_or_in_the_configuration() {
    let gateway = gateway().await;
    create(&gateway, &[]).await.ok();
    for url in [ISSUER, "https://id.example/REALM", "http://id.example/realm", "https://id.example/realm/"] {
        let said = gateway.root(&[("CreateOpenIDConnectProvider", ""), ("Url", url)]).await;
        assert_eq!(said.code(), is(409, "EntityAlreadyExists"), "{url}");
    }
    let other = gateway.by("other", &[("CreateOpenIDConnectProvider", ""), ("Url", ISSUER)]).await.ok();
    let expected = format!("arn:aws:iam::{}:oidc-provider/{NAME}", account("other"));
    assert_eq!(other.get("OpenIDConnectProviderArn"), expected);
    let settings =
        ProviderSettings { issuer: Issuer::parse(ISSUER).expect("an issuer"), audiences: Vec::new() };
    let fetch: Arc<dyn Fetch> = Realm::new(Vec::new());
    let configured = Gateway::with(Providers::new([(settings, fetch)])).await;
    let said = create(&configured, &[]).await;
    assert_eq!(said.code(), is(409, "EntityAlreadyExists"));
    assert!(said.text.contains("it is in the configuration"), "{}", said.text);
}

#[tokio::test]
async fn what_aws_does_not_take_is_refused() {
    let gateway = gateway().await;
    let long = format!("https://id.example/{}", "x".repeat(240));
    for url in ["", "id.example", "ftp://id.example", "https://id.example/?a=b", &long] {
        let said = gateway.root(&[("CreateOpenIDConnectProvider", ""), ("Url", url)]).await;
        assert_eq!(said.code(), is(400, "InvalidInput"), "{url}");
    }
    let names: Vec<(String, String)> =
        (1..=101).map(|n| (format!("ClientIDList.member.{n}"), format!("client {n}"))).collect();
    let ids: Vec<(&str, &str)> = names.iter().map(|(name, id)| (&**name, &**id)).collect();
    assert_eq!(create(&gateway, &ids).await.code(), is(409, "LimitExceeded"));
    let names: Vec<String> = (1..=6).map(|n| format!("ThumbprintList.member.{n}")).collect();
    let thumbprints: Vec<(&str, &str)> = names.iter().map(|name| (&**name, THUMBPRINT)).collect();
    assert_eq!(create(&gateway, &thumbprints).await.code(), is(400, "InvalidInput"));
    let short = [("ThumbprintList.member.1", "0f")];
    assert_eq!(create(&gateway, &short).await.code(), is(400, "ValidationError"));
    let longest = "x".repeat(256);
    for id in ["", &longest] {
        let said = create(&gateway, &[("ClientIDList.member.1", id)]).await;
        assert_eq!(said.code(), is(400, "ValidationError"));
    }
    create(&gateway, &[&ids[..100], &thumbprints[..5]].concat()).await.ok();
    let full = on(&gateway, "AddClientIDToOpenIDConnectProvider", &[("ClientID", "more")]).await;
    assert_eq!(full.code(), is(409, "LimitExceeded"));
    let none = on(&gateway, "UpdateOpenIDConnectProviderThumbprint", &[]).await;
    assert_eq!(none.code(), is(400, "InvalidInput"));
    for n in 1..100 {
        let url = format!("https://id.example/{n}");
        gateway.root(&[("CreateOpenIDConnectProvider", ""), ("Url", &url)]).await.ok();
    }
    let more = gateway.root(&[("CreateOpenIDConnectProvider", ""), ("Url", "https://id.example/more")]).await;
    assert_eq!(more.code(), is(409, "LimitExceeded"));
}

/// A provider with the client id `causeway`, and in two accounts a role that trusts it.
struct Scene {
    gateway: Gateway,
    realm: Arc<Realm>,
    key: Key,
}

impl Scene {
    async fn new() -> Self {
        let key = Key::new("one");
        let realm = Realm::new(vec![key.public()]);
        let gateway = Gateway::with(allowing(&realm, "https://id.example/*")).await;
        create(&gateway, &[("ClientIDList.member.1", "causeway")]).await.ok();
        for name in ["root", "other"] {
            let provider = format!("arn:aws:iam::{}:oidc-provider/{NAME}", account(name));
            let text = trust(&format!(r#"{{"Federated":"{provider}"}}"#), "sts:AssumeRoleWithWebIdentity");
            let role = [("CreateRole", ""), ("RoleName", "web"), ("AssumeRolePolicyDocument", &*text)];
            gateway.by(name, &role).await.ok();
        }
        Self { gateway, realm, key }
    }

    async fn assume(&self, name: &str) -> Said {
        let role = format!("arn:aws:iam::{}:role/web", account(name));
        let token = self.key.token(&claims());
        let call = [
            ("AssumeRoleWithWebIdentity", ""),
            ("RoleArn", &*role),
            ("RoleSessionName", "work"),
            ("WebIdentityToken", &*token),
        ];
        self.gateway.call_as(None, None, &call).await
    }
}

#[tokio::test]
async fn a_provider_of_an_account_vouches_to_the_roles_of_that_account_only() {
    let scene = Scene::new().await;
    let said = scene.assume("root").await.ok();
    assert_eq!((said.get("Provider"), said.get("Audience")), (provider_arn(), "causeway".to_owned()));
    assert_eq!(said.get("SubjectFromWebIdentityToken"), "bob");
    assert_eq!(scene.assume("other").await.code(), is(400, "InvalidIdentityToken"));
    let client = ("ClientIDList.member.1", "causeway");
    let made = [("CreateOpenIDConnectProvider", ""), ("Url", ISSUER), client];
    scene.gateway.by("other", &made).await.ok();
    scene.assume("other").await.ok();
    assert_eq!(scene.realm.asked.load(Ordering::SeqCst), 1, "accounts share the keys of an issuer");
}

#[tokio::test]
async fn a_client_id_that_is_removed_and_a_provider_that_is_deleted_count_no_more() {
    let scene = Scene::new().await;
    scene.assume("root").await.ok();
    let client = [("ClientID", "causeway")];
    on(&scene.gateway, "RemoveClientIDFromOpenIDConnectProvider", &client).await.ok();
    assert_eq!(scene.assume("root").await.code(), is(400, "InvalidIdentityToken"));
    on(&scene.gateway, "AddClientIDToOpenIDConnectProvider", &client).await.ok();
    scene.assume("root").await.ok();
    on(&scene.gateway, "DeleteOpenIDConnectProvider", &[]).await.ok();
    assert_eq!(scene.assume("root").await.code(), is(400, "InvalidIdentityToken"));
}

#[tokio::test]
async fn a_provider_counts_only_while_its_issuer_is_allowed_and_not_configured() {
    let mut scene = Scene::new().await;
    scene.assume("root").await.ok();
    let asked = scene.realm.asked.load(Ordering::SeqCst);
    let issuer = Issuer::parse("http://id.example/realm").expect("an issuer");
    let settings = ProviderSettings { issuer, audiences: vec!["causeway".to_owned()] };
    let fetch: Arc<dyn Fetch> = scene.realm.clone();
    let issuers = IssuerPattern::parse("https://id.example/*").expect("a pattern");
    let of_same_name = Providers::new([(settings, fetch.clone())]);
    for providers in [
        allowing(&scene.realm, "https://elsewhere.example/*"),
        Providers::default(),
        of_same_name.allowing(vec![AllowedIssuers { issuers, fetch }]),
    ] {
        scene.gateway.queries = Queries::new(scene.gateway.directory.clone(), providers);
        assert_eq!(scene.assume("root").await.code(), is(400, "InvalidIdentityToken"));
    }
    assert_eq!(scene.realm.asked.load(Ordering::SeqCst), asked, "nothing is fetched");
}
