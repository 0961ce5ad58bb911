//! AssumeRoleWithWebIdentity against a provider over HTTP, found by discovery.

use super::{
    process::{Place, Running},
    support::{
        Who, is,
        oidc::{Provider, encoded},
        raw::{Raw, RawReply},
    },
};
const ROOT: Who = Who { access_key: "test-root", secret_key: "test-root-secret" };
const ENVIRONMENT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", ROOT.access_key), ("CAUSEWAY_ROOT_PASSWORD", ROOT.secret_key)];
const FORM: &str = "application/x-www-form-urlencoded";

fn serve(place: &Place, provider: &Provider, private: bool) -> Running {
    let issuer = &provider.issuer;
    serve_with(place, &format!("[[oidc]]\nissuer = '{issuer}'\naudience = 'causeway'\nprivate = {private}\n"))
}

fn serve_with(place: &Place, sections: &str) -> Running {
    place.write(
        "causeway.toml",
        &format!(
            "[server]\ndata = 'data'\n[backend.disk]\ntype = 'fs'\nroot = 'objects'\n[default]\nbackend = 'disk'\n{sections}"
        ),
    );
    place.serve(&[], &ENVIRONMENT)
}

fn create_provider(server: &Running, provider: &Provider) -> RawReply {
    let url = encoded(&provider.issuer);
    let form = format!(
        "Action=CreateOpenIDConnectProvider&Version=2010-05-08&Url={url}&ClientIDList.member.1=causeway"
    );
    Raw::new(server.s3, ROOT).post("/", form).service("iam").header("content-type", FORM).send()
}

/// Creates a role that trusts the provider for bob, and returns its ARN.
fn role(server: &Running, provider: &Provider) -> String {
    let call = |service, form: String| {
        let reply =
            Raw::new(server.s3, ROOT).post("/", form).service(service).header("content-type", FORM).send();
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply
    };
    let who = call("sts", "Action=GetCallerIdentity&Version=2011-06-15".to_owned());
    let account = who.element("Account").expect("an account");
    let name = provider.issuer.strip_prefix("http://").expect("a scheme");
    let trust = format!(
        r#"{{"Statement":{{"Effect":"Allow","Principal":{{"Federated":"arn:aws:iam::{account}:oidc-provider/{name}"}},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{{"StringEquals":{{"{name}:sub":"bob"}}}}}}}}"#
    );
    let trust = encoded(&trust);
    call(
        "iam",
        format!("Action=CreateRole&Version=2010-05-08&RoleName=web&AssumeRolePolicyDocument={trust}"),
    );
    format!("arn:aws:iam::{account}:role/web")
}

fn assume(server: &Running, role: &str, token: &str) -> RawReply {
    let form = format!(
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={}&RoleSessionName=work&WebIdentityToken={token}",
        encoded(role)
    );
    Raw::new(server.s3, ROOT).post("/", form).anonymous().header("content-type", FORM).send()
}

#[test]
fn whom_a_configured_provider_vouches_for_gets_credentials_that_sign() {
    let (place, provider) = (Place::new(), Provider::start());
    let server = serve(&place, &provider, true);
    let role = role(&server, &provider);
    let reply = assume(&server, &role, &provider.token("bob"));
    assert_eq!(reply.status, 200, "{}", reply.text());
    let leaked = |name: &str| &*Box::leak(reply.element(name).expect(name).into_boxed_str());
    let who = Who { access_key: leaked("AccessKeyId"), secret_key: leaked("SecretAccessKey") };
    let form = "Action=GetCallerIdentity&Version=2011-06-15";
    let said = Raw::new(server.s3, who)
        .post("/", form)
        .service("sts")
        .header("content-type", FORM)
        .token(leaked("SessionToken"))
        .send();
    assert!(
        said.element("Arn").is_some_and(|arn| arn.ends_with(":assumed-role/web/work")),
        "{}",
        said.text()
    );
    assert_eq!(assume(&server, &role, &provider.token("eve")).failure(), is(403, "AccessDenied"));
    let other = Provider::start();
    assert_eq!(assume(&server, &role, &other.token("bob")).failure(), is(400, "InvalidIdentityToken"));
    let forged = provider.forged();
    assert_eq!(assume(&server, &role, &forged.token("bob")).failure(), is(400, "InvalidIdentityToken"));
}

#[test]
fn a_provider_at_a_private_address_is_asked_only_where_the_settings_say_so() {
    let (place, provider) = (Place::new(), Provider::start());
    let server = serve(&place, &provider, false);
    let role = role(&server, &provider);
    let reply = assume(&server, &role, &provider.token("bob"));
    assert_eq!(reply.failure(), is(400, "IDPCommunicationError"));
    drop(server);
    assert!(place.read("stderr").contains("is an address of a private network"));
}

#[test]
fn a_provider_that_an_account_makes_vouches_where_the_settings_allow_its_issuer() {
    let (place, provider) = (Place::new(), Provider::start());
    let server = serve_with(&place, "");
    let role = role(&server, &provider);
    assert_eq!(create_provider(&server, &provider).failure(), is(403, "AccessDenied"));
    drop(server);
    let allowed = "[[oidc_allowed]]\nissuer = 'http://127.0.0.1:*/realm'\nprivate = true\n";
    let server = serve_with(&place, allowed);
    assert_eq!(assume(&server, &role, &provider.token("bob")).failure(), is(400, "InvalidIdentityToken"));
    assert_eq!(create_provider(&server, &provider).status, 200);
    let reply = assume(&server, &role, &provider.token("bob"));
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(assume(&server, &role, &provider.token("eve")).failure(), is(403, "AccessDenied"));
    let forged = provider.forged();
    assert_eq!(assume(&server, &role, &forged.token("bob")).failure(), is(400, "InvalidIdentityToken"));
    drop(server);
    // The next start knows the provider, and does not ask it: its address is not allowed any more.
    let server = serve_with(&place, &allowed.replace("true", "false"));
    let reply = assume(&server, &role, &provider.token("bob"));
    assert_eq!(reply.failure(), is(400, "IDPCommunicationError"));
    drop(server);
    assert!(place.read("stderr").contains("is an address of a private network"));
}
