//! The sign-in for people: the flow with a provider over HTTP, its cookies, and what is refused.

use super::{
    process::{Place, Running, connect, read_all},
    support::{
        Who,
        oidc::{CLIENT, CLIENT_SECRET, Provider, encoded},
        raw::Raw,
    },
};
use std::io::Write;

const ROOT: Who = Who { access_key: "test-root", secret_key: "test-root-secret" };
const ENVIRONMENT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", ROOT.access_key), ("CAUSEWAY_ROOT_PASSWORD", ROOT.secret_key)];
const FORM: &str = "application/x-www-form-urlencoded";
const ORIGIN: &str = "https://admin.example.com";
const PENDING: &str = "__Host-causeway-sign-in";
const SESSION: &str = "__Host-causeway-session";

struct Scene {
    server: Running,
    place: Place,
    provider: Provider,
    account: String,
}

/// The answer of the admin address.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).into_iter().next()
    }

    fn headers(&self, name: &str) -> Vec<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// What a browser sends for the cookie of this name.
    fn cookie(&self, name: &str) -> Option<String> {
        let cookies = self.headers("set-cookie");
        let cookie = cookies.into_iter().find(|cookie| cookie.starts_with(&format!("{name}=")))?;
        for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
            assert!(cookie.split("; ").any(|found| found == attribute), "{cookie}");
        }
        cookie.split(';').next().map(str::to_owned)
    }
}

impl Scene {
    /// People have the role `people`, and those of the group `ops` have the role `operators`. The first trusts
    /// everybody but mallory, the second only bob.
    fn new() -> Self {
        let (place, provider) = (Place::new(), Provider::start());
        place.write(
            "causeway.toml",
            &format!(
                "[server]\ndata = 'data'\n[backend.disk]\ntype = 'fs'\nroot = 'objects'\n\
                 [[oidc]]\nissuer = '{issuer}'\naudience = 'causeway'\nprivate = true\n\
                 [sign_in]\nissuer = '{issuer}'\nclient_id = '{CLIENT}'\nclient_secret = '{CLIENT_SECRET}'\n\
                 redirect = '{ORIGIN}/sign-in/callback'\nlanding = '/console'\nclaim = 'groups'\nrole = 'people'\n\
                 [[sign_in_role]]\nvalue = 'ops'\nrole = 'Operators'\n",
                issuer = provider.issuer
            ),
        );
        let server = place.serve(&[], &ENVIRONMENT);
        let form = "Action=GetCallerIdentity&Version=2011-06-15";
        let who = Raw::new(server.s3, ROOT).post("/", form).service("sts").header("content-type", FORM);
        let account = who.send().element("Account").expect("an account");
        let scene = Self { server, place, provider, account };
        scene.trust("people", "StringNotEquals", "mallory");
        scene.trust("operators", "StringEquals", "bob");
        scene
    }

    fn name(&self) -> &str {
        self.provider.issuer.strip_prefix("http://").expect("a scheme")
    }

    fn trust(&self, role: &str, operator: &str, subject: &str) {
        let name = self.name();
        let trust = format!(
            r#"{{"Statement":{{"Effect":"Allow","Principal":{{"Federated":"arn:aws:iam::{}:oidc-provider/{name}"}},"Action":"sts:AssumeRoleWithWebIdentity","Condition":{{"{operator}":{{"{name}:sub":"{subject}"}}}}}}}}"#,
            self.account
        );
        let trust = encoded(&trust);
        self.iam(&format!("Action=CreateRole&RoleName={role}&AssumeRolePolicyDocument={trust}"));
    }

    fn iam(&self, form: &str) {
        let call = Raw::new(self.server.s3, ROOT).post("/", format!("Version=2010-05-08&{form}"));
        let reply = call.service("iam").header("content-type", FORM).send();
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut stream = connect(self.server.admin);
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        write!(stream, "{request}\r\n").expect("sent");
        let reply = read_all(&mut stream);
        let (head, body) = reply.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn get(&self, path: &str, cookie: &str) -> Answer {
        self.ask("GET", path, &[("cookie", cookie)])
    }

    /// Where a browser is sent, and what it keeps.
    fn begin(&self) -> (String, String) {
        let begun = self.get("/sign-in", "other=1");
        assert_eq!(begun.status, 303, "{}", begun.body);
        let location = begun.header("location").expect("an address").to_owned();
        (location, begun.cookie(PENDING).expect("a cookie"))
    }

    fn come_back(&self, query: &str, cookie: &str) -> Answer {
        self.get(&format!("/sign-in/callback?{query}"), cookie)
    }

    fn sign_in(&self, subject: &str, claims: &str) -> Answer {
        let (location, cookie) = self.begin();
        self.come_back(&self.provider.authorize(&location, subject, claims), &cookie)
    }

    fn session(&self, subject: &str, claims: &str) -> String {
        let answer = self.sign_in(subject, claims);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/console")), "{}", answer.body);
        answer.cookie(SESSION).expect("a session")
    }

    fn who(&self, cookie: &str) -> Option<serde_json::Value> {
        let answer = self.get("/sign-in/who", cookie);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!([200, 401].contains(&answer.status), "{}", answer.body);
        (answer.status == 200).then(|| serde_json::from_str(&answer.body).expect("JSON"))
    }
}

#[test]
fn a_person_signs_in_is_known_and_signs_out() {
    let scene = Scene::new();
    let (location, cookie) = scene.begin();
    assert!(
        location.contains("&redirect_uri=https%3A%2F%2Fadmin.example.com%2Fsign-in%2Fcallback&"),
        "{location}"
    );
    let query = scene.provider.authorize(&location, "bob", r#","name":"Bob B.","email":"bob@example.com""#);
    let back = scene.come_back(&query, &format!("a=1; {cookie}"));
    assert_eq!((back.status, back.header("location")), (303, Some("/console")));
    assert_eq!(back.cookie(PENDING).as_deref(), Some("__Host-causeway-sign-in="), "it counts once");
    assert_eq!(back.header("referrer-policy"), Some("no-referrer"));
    let session = back.cookie(SESSION).expect("a session");
    let who = scene.who(&session).expect("bob");
    assert_eq!((who["subject"].as_str(), who["name"].as_str()), (Some("bob"), Some("Bob B.")));
    assert_eq!(who["email"].as_str(), Some("bob@example.com"));
    let account = &scene.account;
    assert_eq!(who["role"].as_str(), Some(&*format!("arn:aws:iam::{account}:role/people")));
    assert_eq!(who["arn"].as_str(), Some(&*format!("arn:aws:sts::{account}:assumed-role/people/bob")));
    assert!(who["expires"].as_str().is_some_and(|at| at.ends_with('Z')), "{who}");
    assert_eq!(scene.who("other=1"), None);

    for other in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("origin", "null")] {
        let refused = scene.ask("POST", "/sign-out", &[("cookie", &session), other]);
        assert_eq!((refused.status, refused.header("set-cookie")), (403, None), "{other:?}");
    }
    assert_eq!(scene.ask("GET", "/sign-out", &[("cookie", &session)]).status, 405);
    let own = [("cookie", session.as_str()), ("origin", ORIGIN), ("sec-fetch-site", "same-origin")];
    let gone = scene.ask("POST", "/sign-out", &own);
    assert_eq!((gone.status, gone.cookie(SESSION).as_deref()), (204, Some("__Host-causeway-session=")));
    let Scene { server, place, .. } = scene;
    drop(server);
    let log = place.read("stderr");
    assert!(!log.contains(CLIENT_SECRET) && !log.contains(&session[SESSION.len() + 1..]), "{log}");
}

#[test]
fn a_callback_counts_only_in_the_browser_that_began_it() {
    let scene = Scene::new();
    let ((first, first_cookie), (_, other_cookie)) = (scene.begin(), scene.begin());
    let query = scene.provider.authorize(&first, "bob", "");
    let code = query.split('&').next().expect("a code").to_owned();
    for (query, cookie) in [
        (query.clone(), "a=1".to_owned()),
        (query.clone(), other_cookie.clone()),
        (code.clone(), first_cookie.clone()),
        (format!("{query}&state=x"), first_cookie.clone()),
        (query.clone(), format!("{first_cookie}x")),
        (query.replace("iss=http", "iss=https"), first_cookie.clone()),
        (String::new(), first_cookie.clone()),
    ] {
        let refused = scene.come_back(&query, &cookie);
        assert_eq!((refused.status, refused.cookie(SESSION)), (400, None), "{query} {cookie}");
    }
    // The code of another sign-in, in a browser that has begun one: PKCE holds it.
    let (second, second_cookie) = scene.begin();
    let state = second.split("state=").nth(1).and_then(|rest| rest.split('&').next()).expect("a state");
    let stolen = scene.come_back(&format!("{code}&state={state}"), &second_cookie);
    assert_eq!((stolen.status, stolen.cookie(SESSION)), (403, None), "{}", stolen.body);
    let (third, third_cookie) = scene.begin();
    let query = scene.provider.authorize(&third, "bob", "");
    assert_eq!(scene.come_back(&query, &third_cookie).status, 303);
    assert_eq!(scene.come_back(&query, &third_cookie).status, 403, "a code counts once");
    let denied = scene.come_back(&query.replace("code=", "error=access_denied&x="), &third_cookie);
    assert_eq!((denied.status, denied.cookie(SESSION)), (403, None));
    assert!(!denied.body.contains("access_denied"), "{}", denied.body);
}

#[test]
fn a_claim_chooses_the_role_and_its_trust_policy_decides() {
    let scene = Scene::new();
    let role = |subject: &str, claims: &str| {
        let who = scene.who(&scene.session(subject, claims)).expect("somebody");
        who["role"].as_str().expect("a role").rsplit('/').next().expect("a name").to_owned()
    };
    assert_eq!(role("alice", r#","groups":["dev"]"#), "people");
    assert_eq!(role("bob", r#","groups":["dev","ops"]"#), "operators");
    assert_eq!(role("bob", r#","groups":"ops""#), "operators");
    for (subject, claims) in [("mallory", ""), ("alice", r#","groups":["ops"]"#)] {
        let refused = scene.sign_in(subject, claims);
        assert_eq!((refused.status, refused.cookie(SESSION)), (403, None), "{subject}");
    }
}

#[test]
fn a_session_ends_with_its_role_and_no_token_of_sts_is_one() {
    let scene = Scene::new();
    let session = scene.session("bob", "");
    let role = encoded(&format!("arn:aws:iam::{}:role/people", scene.account));
    let form = format!(
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={role}&RoleSessionName=bob&WebIdentityToken={}",
        scene.provider.token("bob")
    );
    let call = Raw::new(scene.server.s3, ROOT).post("/", form).anonymous();
    let reply = call.header("content-type", FORM).send();
    let (token, key) = (reply.element("SessionToken").expect("a token"), reply.element("AccessKeyId"));
    for cookie in [format!("{SESSION}={token}"), format!("{SESSION}={}.{token}", key.expect("a key"))] {
        assert_eq!(scene.who(&cookie), None);
    }
    let (_, pending) = scene.begin();
    assert_eq!(scene.who(&pending.replace(PENDING, SESSION)), None);
    assert!(scene.who(&session).is_some());
    scene.iam("Action=DeleteRole&RoleName=people");
    assert_eq!(scene.who(&session), None);
    assert_eq!(scene.sign_in("bob", "").status, 403);
    scene.trust("people", "StringEquals", "bob");
    assert_eq!(scene.who(&session), None, "another role of that name");
}

#[test]
fn a_browser_is_sent_only_where_the_configuration_says() {
    let scene = Scene::new();
    let (plain, _) = scene.begin();
    let odd = scene.get("/sign-in?landing=//evil.example&redirect=https://evil.example", "a=1");
    assert_eq!(odd.status, 303);
    let without_random = |location: &str| location.split("&state=").next().map(str::to_owned);
    let to = odd.header("location").expect("an address");
    assert_eq!(without_random(to), without_random(&plain));
    assert!(!odd.head.contains("evil"), "{}", odd.head);
    let (location, cookie) = scene.begin();
    let query = scene.provider.authorize(&location, "bob", "");
    let back = scene.come_back(&format!("{query}&landing=//evil.example"), &cookie);
    assert_eq!(back.header("location"), Some("/console"));
    assert_eq!(scene.ask("POST", "/sign-in", &[]).status, 405);
    assert_eq!(scene.get("/sign-in/other", "a=1").status, 404);
}

#[test]
fn a_server_without_the_section_has_no_sign_in() {
    let place = Place::new();
    let server = place.serve(&["--data", "d"], &[]);
    assert_eq!(server.ask_admin("/sign-in").0, 404);
    assert_eq!(server.ask_admin("/sign-in/who").0, 404);
}

#[test]
fn settings_of_the_sign_in_that_cannot_work_are_named_before_the_start() {
    let place = Place::new();
    let provider = "[[oidc]]\nissuer = 'https://id.example'\naudience = 'a'\n";
    let base = "issuer = 'https://id.example'\nclient_id = 'c'\n";
    let redirect = "redirect = 'https://admin.example.com/sign-in/callback'\n";
    for (more, problem) in [
        (format!("{base}{redirect}"), "sign_in.role is missing"),
        (
            format!("issuer = 'https://other.example'\nclient_id = 'c'\nrole = 'r'\n{redirect}"),
            "is the issuer of no [[oidc]]",
        ),
        (format!("{base}{redirect}role = 'r'\nclaim = 'groups'\n"), "sign_in.claim needs a [[sign_in_role]]"),
        (format!("{base}{redirect}role = 'r'\nsession = '1s'\n"), "sign_in.session must be between"),
        (format!("{base}{redirect}role = 'r'\nscopes = 'email'\n"), "with openid among them"),
        (format!("{base}{redirect}role = 'r'\nlanding = '//evil.example'\n"), "must be a path"),
        (format!("{base}{redirect}role = 'r'\naccount = 'nobody'\n"), "sign_in.account names 'nobody'"),
        (
            format!("{base}role = 'r'\nredirect = 'http://admin.example.com/sign-in/callback'\n"),
            "must be https://HOST",
        ),
        (format!("{base}role = 'r'\nredirect = 'https://a@b/sign-in/callback'\n"), "must be https://HOST"),
        (format!("{base}role = 'r'\nredirect = 'https://admin.example.com/back'\n"), "must be https://HOST"),
    ] {
        place.write("causeway.toml", &format!("{provider}[sign_in]\n{more}"));
        let said = place.run(&["config", "check", "--config", "causeway.toml"], &ENVIRONMENT).failed(2);
        assert!(said.contains(problem), "{more}: {said}");
    }
    place.write(
        "causeway.toml",
        &format!(
            "{provider}[sign_in]\n{base}role = 'r'\nredirect = 'http://localhost:9001/sign-in/callback'\n"
        ),
    );
    place.run(&["config", "check", "--config", "causeway.toml"], &ENVIRONMENT).succeeded();
}
