//! The query APIs of IAM and STS over the wire: who may sign afterwards, with what, and for how long.

use super::{
    process::{Place, Running},
    support::{
        Who, is,
        raw::{Raw, RawReply},
    },
};
use std::time::Duration;

const ROOT: Who = Who { access_key: "test-root", secret_key: "test-root-secret" };
const ENVIRONMENT: [(&str, &str); 3] = [
    ("CAUSEWAY_ROOT_USER", ROOT.access_key),
    ("CAUSEWAY_ROOT_PASSWORD", ROOT.secret_key),
    ("CAUSEWAY__SERVER__LOG_LEVEL", "debug"),
];
const CONFIGURATION: &str =
    "[server]\ndata = 'data'\n[backend.disk]\ntype = 'fs'\nroot = 'objects'\n[default]\nbackend = 'disk'\n";
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

fn place() -> Place {
    let place = Place::new();
    place.write("causeway.toml", CONFIGURATION);
    place
}

/// Credentials that a reply has given. A test needs few, and keeps them until it ends.
#[derive(Debug, Clone)]
struct Given {
    who: Who,
    token: Option<String>,
}

impl Given {
    fn of(reply: &RawReply) -> Self {
        let leaked = |name: &str| &*Box::leak(reply.element(name).expect(name).into_boxed_str());
        let who = Who { access_key: leaked("AccessKeyId"), secret_key: leaked("SecretAccessKey") };
        Self { who, token: reply.element("SessionToken") }
    }
}

impl From<Who> for Given {
    fn from(who: Who) -> Self {
        Self { who, token: None }
    }
}

fn call(server: &Running, given: &Given, service: &'static str, form: &str) -> RawReply {
    let version = if service == "iam" { "2010-05-08" } else { "2011-06-15" };
    let request = Raw::new(server.s3, given.who).post("/", format!("{form}&Version={version}"));
    let request = request.service(service).header("content-type", FORM);
    match &given.token {
        Some(token) => request.token(token.as_str()),
        None => request,
    }
    .send()
}

fn iam(server: &Running, form: &str) -> RawReply {
    let reply = call(server, &ROOT.into(), "iam", form);
    assert_eq!(reply.status, 200, "{form}: {}", reply.text());
    reply
}

/// The account of the root user.
fn account(server: &Running) -> String {
    call(server, &ROOT.into(), "sts", "Action=GetCallerIdentity").element("Account").expect("an account")
}

fn user(server: &Running, name: &str) -> Given {
    iam(server, &format!("Action=CreateUser&UserName={name}"));
    Given::of(&iam(server, &format!("Action=CreateAccessKey&UserName={name}")))
}

#[test]
fn a_user_signs_requests_until_its_key_is_inactive_and_after_a_restart() {
    let place = place();
    let mut server = place.serve(&[], &ENVIRONMENT);
    let bob = user(&server, "bob");
    let who = call(&server, &bob, "sts", "Action=GetCallerIdentity");
    assert_eq!(who.element("Arn"), Some(format!("arn:aws:iam::{}:user/bob", account(&server))));
    // No policy lets a new user do anything.
    assert_eq!(Raw::new(server.s3, bob.who).get("/").send().failure(), is(403, "AccessDenied"));
    assert_eq!(call(&server, &bob, "iam", "Action=ListUsers").failure(), is(403, "AccessDenied"));

    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().success());
    let server = place.serve(&[], &ENVIRONMENT);
    assert_eq!(call(&server, &bob, "sts", "Action=GetCallerIdentity").status, 200);
    let key = bob.who.access_key;
    iam(&server, &format!("Action=UpdateAccessKey&UserName=bob&AccessKeyId={key}&Status=Inactive"));
    assert_eq!(
        call(&server, &bob, "sts", "Action=GetCallerIdentity").failure(),
        is(403, "InvalidClientTokenId")
    );
    assert_eq!(Raw::new(server.s3, bob.who).get("/").send().failure(), is(403, "InvalidAccessKeyId"));
}

#[test]
fn a_call_that_is_not_signed_or_wrongly_signed_is_refused() {
    let place = place();
    let server = place.serve(&[], &ENVIRONMENT);
    let post = || {
        let form = "Action=ListUsers&Version=2010-05-08";
        Raw::new(server.s3, ROOT).post("/", form).service("iam").header("content-type", FORM)
    };
    assert_eq!(post().anonymous().send().failure(), is(403, "MissingAuthenticationToken"));
    assert_eq!(post().tamper("ListUsers", "ListRoles").send().failure(), is(403, "SignatureDoesNotMatch"));
    assert_eq!(post().service("sts").send().failure(), is(403, "SignatureDoesNotMatch"));
    assert_eq!(post().service("s3").send().failure(), is(400, "IncompleteSignature"));
    let reply = post().send();
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/xml")));
    // A signature for IAM opens nothing of S3.
    let other = Raw::new(server.s3, ROOT).get("/").service("iam").send();
    assert_eq!(other.failure(), is(400, "AuthorizationHeaderMalformed"));
}

#[test]
fn a_caller_may_be_named_by_a_presigned_address() {
    let place = place();
    let server = place.serve(&[], &ENVIRONMENT);
    let get =
        || Raw::new(server.s3, ROOT).get("/?Action=GetCallerIdentity&Version=2011-06-15").service("sts");
    let reply = get().send();
    assert_eq!(reply.element("Arn"), Some(format!("arn:aws:iam::{}:root", account(&server))));
}

#[test]
fn a_session_signs_with_its_token_wherever_the_signature_stands() {
    let place = place();
    let server = place.serve(&[], &ENVIRONMENT);
    let trust = format!(
        "%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Principal%22%3A%7B%22AWS%22%3A%22{}%22%7D%2C%22Action%22%3A%22sts%3AAssumeRole%22%7D%7D",
        account(&server)
    );
    iam(&server, &format!("Action=CreateRole&RoleName=worker&AssumeRolePolicyDocument={trust}"));
    let role = format!("arn%3Aaws%3Aiam%3A%3A{}%3Arole%2Fworker", account(&server));
    let assume = format!("Action=AssumeRole&RoleArn={role}&RoleSessionName=work");
    let reply = call(&server, &ROOT.into(), "sts", &assume);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let session = Given::of(&reply);
    let token = session.token.clone().expect("a token");
    let who = call(&server, &session, "sts", "Action=GetCallerIdentity");
    assert!(
        who.element("Arn").is_some_and(|arn| arn.ends_with(":assumed-role/worker/work")),
        "{}",
        who.text()
    );

    let raw = Raw::new(server.s3, session.who);
    // The role has no policies: S3 knows who it is, and lets it do nothing.
    let (known, unknown, invalid) =
        (is(403, "AccessDenied"), is(403, "InvalidAccessKeyId"), is(400, "InvalidToken"));
    assert_eq!(raw.get("/").token(&*token).send().failure(), known);
    assert_eq!(raw.get("/").token(&*token).presigned(Duration::from_secs(60)).send().failure(), known);
    assert_eq!(raw.put("/b/k", "body").token(&*token).chunked(2).send().failure().0 / 100, 4);
    assert_eq!(raw.get("/").send().failure(), unknown);
    let other = format!("{}A", &token[..token.len() - 1]);
    assert_eq!(raw.get("/").token(other).send().failure(), invalid);
    assert_eq!(raw.get("/").token("nothing").presigned(Duration::from_secs(60)).send().failure(), invalid);
    // A token is of one access key.
    assert_eq!(Raw::new(server.s3, ROOT).get("/").token(&*token).send().failure(), invalid);
    iam(&server, "Action=DeleteRole&RoleName=worker");
    assert_eq!(raw.get("/").token(&*token).send().failure(), unknown);
}

#[test]
fn secrets_and_tokens_are_in_no_log_and_not_in_clear_text_in_the_catalog() {
    let place = place();
    let mut server = place.serve(&[], &ENVIRONMENT);
    let bob = user(&server, "bob");
    let session = Given::of(&call(&server, &bob, "sts", "Action=GetSessionToken"));
    let token = session.token.clone().expect("a token");
    assert_eq!(call(&server, &session, "sts", "Action=GetCallerIdentity").status, 200);
    let reply = Raw::new(server.s3, session.who).get("/").token(&*token).send();
    assert_eq!(reply.failure(), is(403, "AccessDenied"));
    server.signal(rustix::process::Signal::TERM);
    assert!(server.wait().success());
    for secret in [bob.who.secret_key, session.who.secret_key, &token] {
        for log in ["stdout", "stderr"] {
            assert!(!place.read(log).contains(secret), "{log}");
        }
        let stored = std::fs::read(place.path("data/.causeway/catalog.sqlite")).expect("a catalog");
        assert!(!stored.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()));
    }
    let log = place.read("stderr");
    assert!(log.contains("operation=\"GetSessionToken\"") || log.contains("GetSessionToken"), "{log}");
}
