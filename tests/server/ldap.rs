//! AssumeRoleWithLDAPIdentity against OpenLDAP: by StartTLS, by TLS, and by a template of names.

use super::{
    process::{Place, Running},
    support::{
        Who, is,
        raw::{Raw, RawReply},
        silent::silent,
        slapd::{BOB, EVE, ODD, READERS, SEARCHER, Slapd, WRITERS},
    },
};

const ROOT: Who = Who { access_key: "test-root", secret_key: "test-root-secret" };
const ENVIRONMENT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", ROOT.access_key), ("CAUSEWAY_ROOT_PASSWORD", ROOT.secret_key)];
const FORM: &str = "application/x-www-form-urlencoded";
const SEARCHED: &str = "user_base = 'ou=people,dc=example,dc=com'";

/// A gateway whose groups `team` (may read) and `hands` (may write) are groups of the directory.
struct Scene {
    server: Running,
    place: Place,
    slapd: Slapd,
}

impl Scene {
    fn new() -> Self {
        let slapd = Slapd::start();
        let url = slapd.plain_url();
        let ca_file = format!("ca_file = '{}'", slapd.ca_file().display());
        Self::over(slapd, &url, &[SEARCHED, &ca_file])
    }

    fn over(slapd: Slapd, url: &str, settings: &[&str]) -> Self {
        let place = Place::new();
        // A busy machine takes its time.
        let has_time = settings.iter().any(|line| line.starts_with("timeout"));
        let time = if has_time { "" } else { "timeout = '20s'" };
        place.write(
            "causeway.toml",
            &format!(
                "[server]\ndata = 'data'\n[backend.disk]\ntype = 'fs'\nroot = 'objects'\n\
                 [ldap]\nurl = '{url}'\nbind_dn = '{}'\nbind_password = '{}'\n\
                 group_base = 'ou=groups,dc=example,dc=com'\n{time}\n{}\n\
                 [[ldap_group]]\ndn = '{READERS}'\ngroup = 'team'\n[[ldap_group]]\ndn = '{}'\ngroup = 'hands'\n",
                SEARCHER.0,
                SEARCHER.1,
                settings.join("\n"),
                WRITERS.to_uppercase(),
            ),
        );
        let server = place.serve(&[], &ENVIRONMENT);
        let scene = Self { server, place, slapd };
        for (group, action) in [("team", "s3:GetObject"), ("hands", "s3:PutObject")] {
            scene.iam(&[("Action", "CreateGroup"), ("GroupName", group)]);
            let policy = format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{action}","Resource":"*"}}}}"#
            );
            scene.iam(&[
                ("Action", "PutGroupPolicy"),
                ("GroupName", group),
                ("PolicyName", "p"),
                ("PolicyDocument", &policy),
            ]);
        }
        let root = Raw::new(scene.server.s3, ROOT);
        assert_eq!(root.put("/photos", "").send().status, 200);
        assert_eq!(root.put("/photos/a", "picture").send().status, 200);
        scene
    }

    fn iam(&self, parameters: &[(&str, &str)]) {
        let form = form(&[&[("Version", "2010-05-08")], parameters].concat());
        let reply = Raw::new(self.server.s3, ROOT).post("/", form);
        let reply = reply.service("iam").header("content-type", FORM).send();
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    fn log_in(&self, (user, password): (&str, &str)) -> RawReply {
        let form = form(&[
            ("Version", "2011-06-15"),
            ("Action", "AssumeRoleWithLDAPIdentity"),
            ("LDAPUsername", user),
            ("LDAPPassword", password),
        ]);
        Raw::new(self.server.s3, ROOT).post("/", form).anonymous().header("content-type", FORM).send()
    }

    fn session(&self, user: (&str, &str)) -> Session {
        let reply = self.log_in(user);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let leaked = |name: &str| &*Box::leak(reply.element(name).expect(name).into_boxed_str());
        let who = Who { access_key: leaked("AccessKeyId"), secret_key: leaked("SecretAccessKey") };
        Session { raw: Raw::new(self.server.s3, who), token: leaked("SessionToken") }
    }
}

struct Session {
    raw: Raw,
    token: &'static str,
}

impl Session {
    fn get(&self) -> RawReply {
        self.raw.get("/photos/a").token(self.token).send()
    }

    fn put(&self) -> RawReply {
        self.raw.put("/photos/b", "another").token(self.token).send()
    }

    fn arn(&self) -> String {
        let form = form(&[("Version", "2011-06-15"), ("Action", "GetCallerIdentity")]);
        let call = self.raw.post("/", form).service("sts").header("content-type", FORM);
        call.token(self.token).send().element("Arn").expect("an ARN")
    }
}

fn form(parameters: &[(&str, &str)]) -> String {
    let encoded = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let pairs = parameters.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

#[test]
fn a_user_signs_in_by_start_tls_and_has_what_its_groups_have() {
    let scene = Scene::new();
    let bob = scene.session(BOB);
    assert!(bob.arn().ends_with(":federated-user/bob"), "{}", bob.arn());
    assert_eq!((bob.get().status, bob.put().status), (200, 200));
    scene.iam(&[("Action", "DeleteGroupPolicy"), ("GroupName", "hands"), ("PolicyName", "p")]);
    assert_eq!(bob.put().failure(), is(403, "AccessDenied"), "the group has lost its policy");
    assert_eq!(bob.get().status, 200);
    let Scene { server, place, .. } = scene;
    drop(server);
    assert!(!place.read("stderr").contains(BOB.1) && !place.read("stderr").contains(SEARCHER.1));
}

#[test]
fn who_is_taken_out_of_a_group_signs_in_without_it_and_in_no_group_not_at_all() {
    let scene = Scene::new();
    scene.slapd.take_out("bob", READERS);
    let bob = scene.session(BOB);
    assert_eq!((bob.get().failure(), bob.put().status), (is(403, "AccessDenied"), 200));
    let nothing = scene.log_in(EVE);
    assert_eq!(nothing.failure(), is(403, "AccessDenied"));
    assert!(nothing.text().contains("No group of the user"), "{}", nothing.text());
}

#[test]
fn a_wrong_password_an_unknown_user_and_a_name_that_is_a_filter_have_one_answer() {
    let scene = Scene::new();
    let said = |user: (&str, &str)| {
        let reply = scene.log_in(user);
        assert_eq!(reply.failure(), is(403, "AccessDenied"), "{user:?}");
        reply.element("Message").expect("a message")
    };
    let wrong = said((BOB.0, "guess"));
    for user in [
        ("nobody", BOB.1),
        (BOB.0, ""),
        (BOB.0, EVE.1),
        ("", BOB.1),
        ("*", BOB.1),
        ("*)(uid=*", BOB.1),
        ("b*", BOB.1),
        ("bob)(objectClass=*", BOB.1),
        ("bob\0", BOB.1),
        ("search", SEARCHER.1),
    ] {
        assert_eq!(said(user), wrong, "{user:?}");
    }
    let missing =
        form(&[("Version", "2011-06-15"), ("Action", "AssumeRoleWithLDAPIdentity"), ("LDAPUsername", BOB.0)]);
    let missing = Raw::new(scene.server.s3, ROOT).post("/", missing).anonymous();
    assert_eq!(missing.header("content-type", FORM).send().failure(), is(400, "ValidationError"));
}

#[test]
fn a_name_with_characters_of_filters_and_names_signs_in_over_tls() {
    let slapd = Slapd::start();
    let (url, ca_file) = (slapd.tls_url(), format!("ca_file = '{}'", slapd.ca_file().display()));
    let scene = Scene::over(slapd, &url, &[SEARCHED, &ca_file]);
    let odd = scene.session(ODD);
    assert_eq!((odd.get().status, odd.put().failure()), (200, is(403, "AccessDenied")));
    assert!(odd.arn().ends_with(":federated-user/odd+2C+20+28a+2Ab+29+5Cc+2B+C3+BC"), "{}", odd.arn());
}

#[test]
fn a_template_names_users_without_a_search_and_no_name_leaves_its_folder() {
    let slapd = Slapd::start();
    let (url, ca_file) = (slapd.tls_url(), format!("ca_file = '{}'", slapd.ca_file().display()));
    let scene = Scene::over(slapd, &url, &["user_dn = 'uid=%s,ou=people,dc=example,dc=com'", &ca_file]);
    assert_eq!(scene.session(BOB).put().status, 200);
    assert_eq!(scene.session(ODD).get().status, 200);
    for user in ["bob,ou=people,dc=example,dc=com", "nobody", "x+uid=bob"] {
        assert_eq!(scene.log_in((user, BOB.1)).failure(), is(403, "AccessDenied"), "{user}");
    }
}

#[test]
fn no_password_is_sent_to_a_server_whose_certificate_is_not_trusted() {
    let slapd = Slapd::start();
    let url = slapd.plain_url();
    let scene = Scene::over(slapd, &url, &[SEARCHED]);
    assert_eq!(scene.log_in(BOB).failure(), is(503, "ServiceUnavailable"));
    let Scene { server, place, slapd } = scene;
    drop(server);
    let log = place.read("stderr");
    assert!(log.contains("connecting failed") && log.contains("certificate"), "{log}");
    assert!(!slapd.log().contains("BIND"), "{}", slapd.log());
}

#[test]
fn without_tls_a_server_is_used_only_where_the_settings_say_so() {
    let slapd = Slapd::start();
    let url = slapd.plain_url();
    let scene = Scene::over(slapd, &url, &[SEARCHED, "plain = true"]);
    assert_eq!(scene.session(BOB).get().status, 200);
    assert!(!scene.slapd.log().contains("STARTTLS"));
}

#[test]
fn a_server_that_is_down_is_an_outage_and_the_log_has_its_cause() {
    let scene = Scene::new();
    let bob = scene.session(BOB);
    let Scene { server, place, slapd } = scene;
    drop(slapd);
    let form = form(&[
        ("Version", "2011-06-15"),
        ("Action", "AssumeRoleWithLDAPIdentity"),
        ("LDAPUsername", BOB.0),
        ("LDAPPassword", BOB.1),
    ]);
    let reply = Raw::new(server.s3, ROOT).post("/", form).anonymous().header("content-type", FORM).send();
    assert_eq!(reply.failure(), is(503, "ServiceUnavailable"));
    assert!(!reply.text().contains("localhost"), "{}", reply.text());
    assert_eq!(bob.get().status, 200, "a session needs no directory");
    drop(server);
    let log = place.read("stderr");
    assert!(log.contains("connecting failed") && log.contains("refused"), "{log}");
    assert!(!log.contains(BOB.1), "{log}");
}

#[test]
fn a_server_that_says_nothing_holds_a_login_for_its_time_only_and_further_ones_wait() {
    let address = silent("");
    let url = format!("ldap://localhost:{}", address.port());
    let scene = Scene::over(
        Slapd::start(),
        &url,
        &[SEARCHED, "plain = true", "timeout = '300ms'", "max_connections = 1"],
    );
    let answers = std::thread::scope(|scope| {
        let logins: Vec<_> = (0..4).map(|_| scope.spawn(|| scene.log_in(BOB).failure())).collect();
        logins.into_iter().map(|login| login.join().expect("an answer")).collect::<Vec<_>>()
    });
    let outages = answers.iter().filter(|answer| **answer == is(503, "ServiceUnavailable")).count();
    let waited = answers.iter().filter(|answer| **answer == is(503, "Throttling")).count();
    assert!(outages >= 1 && outages + waited == 4, "{answers:?}");
    let Scene { server, place, .. } = scene;
    drop(server);
    let log = place.read("stderr");
    assert!(log.contains("did not complete a login within 300ms"), "{log}");
    assert!(log.contains("sent in clear text"), "{log}");
}

#[test]
fn a_password_in_the_configuration_can_be_sealed() {
    let place = Place::new();
    place.write("causeway.toml", "[ldap]\nurl = 'ldaps://localhost'\n");
    let seal = ["config", "seal", "--config", "causeway.toml", "--key", "ldap.bind_password"];
    let sealed = place.run_with_input("search-secret\n", &seal, &[]).succeeded();
    let text = format!(
        "[ldap]\nurl = 'ldaps://localhost'\nuser_base = 'dc=x'\ngroup_base = 'dc=x'\nbind_dn = 'cn=a'\n\
         bind_password = {}\n",
        sealed.trim()
    );
    place.write("causeway.toml", &text);
    let shown = place.run(&["config", "check", "--config", "causeway.toml"], &ENVIRONMENT).succeeded();
    assert!(shown.contains("sealed = ") && !shown.contains("search-secret"), "{shown}");
}

#[test]
fn settings_that_cannot_work_are_named_before_the_start() {
    let place = Place::new();
    let base = "[ldap]\nurl = 'ldaps://localhost'\ngroup_base = 'dc=x'\n";
    for (more, problem) in [
        ("", "ldap.user_base is missing, and so is ldap.user_dn"),
        ("user_base = 'dc=x'\nuser_dn = 'uid=%s'\n", "exclude each other"),
        ("user_dn = 'uid=bob'\n", "ldap.user_dn must contain %s"),
        ("user_base = 'dc=x'\nuser_filter = '(uid=bob)'\n", "ldap.user_filter must contain %s"),
        ("user_base = 'dc=x'\nbind_dn = 'cn=a'\n", "ldap.bind_dn needs ldap.bind_password too"),
        ("user_base = 'dc=x'\nplain = true\n", "ldap.plain is for ldap:// addresses"),
        ("user_base = 'dc=x'\naccount = 'nobody'\n", "ldap.account names 'nobody'"),
        ("user_base = 'dc=x'\nmax_session = '1m'\n", "ldap.max_session must be between"),
        ("user_base = 'dc=x'\nurl_ = 'x'\n", "unknown key 'ldap.url_'"),
    ] {
        place.write("causeway.toml", &format!("{base}{more}"));
        let said = place.run(&["config", "check", "--config", "causeway.toml"], &ENVIRONMENT).failed(2);
        assert!(said.contains(problem), "{more}: {said}");
    }
    place.write("causeway.toml", &format!("{base}user_base = 'dc=x'\nuser_filter = 'uid=%s)'\n"));
    let said = place.run(&["serve", "--data", "d", "--listen", "127.0.0.1:0"], &ENVIRONMENT).failed(1);
    assert!(said.contains("ldap.user_filter is no filter of LDAP"), "{said}");
}
