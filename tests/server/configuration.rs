//! Wrong configurations, and which source takes precedence.

use super::{
    process::{Ended, Place, within},
    support::{Who, is, raw::Raw},
};

/// Runs `config check` on a file.
fn check(text: &str, environment: &[(&str, &str)]) -> Ended {
    let place = Place::new();
    place.write("causeway.toml", text);
    let ended = place.run(&["config", "check", "--config", "causeway.toml"], environment);
    assert_eq!(place.names(), ["causeway.toml"], "nothing was made");
    ended
}

fn refused(text: &str, environment: &[(&str, &str)]) -> String {
    let ended = check(text, environment);
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{}", ended.err);
    assert_eq!(ended.err.lines().count(), 1, "one message: {}", ended.err);
    ended.err.trim_end().to_owned()
}

fn shown(text: &str, environment: &[(&str, &str)]) -> String {
    let ended = check(text, environment);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    ended.out
}

#[test]
fn an_unknown_key_is_named_with_its_file_line_and_nearest_key() {
    assert_eq!(
        refused("[server]\nregion = 'x'\nlitsen = '127.0.0.1:0'\n", &[]),
        "causeway: causeway.toml:3: unknown key 'server.litsen'; did you mean 'server.listen'?"
    );
    assert_eq!(
        refused("[backend.disk]\ntype = 'fs'\nroots = '/srv'\n", &[]),
        "causeway: causeway.toml:3: unknown key 'backend.disk.roots'; did you mean 'backend.disk.root'?"
    );
    assert_eq!(
        refused("[[identity]]\naccess_key = 'a'\nsecret = 'hunter2'\n", &[]),
        "causeway: causeway.toml:3: unknown key 'identity[0].secret'; did you mean 'identity[0].secret_key'?"
    );
}

#[test]
fn an_unknown_section_is_named_with_the_nearest() {
    assert_eq!(
        refused("[sever]\n", &[]),
        "causeway: causeway.toml:1: unknown key 'sever'; did you mean 'server'?"
    );
    assert_eq!(
        refused("listen = 'x'\n", &[]),
        "causeway: causeway.toml:1: unknown key 'listen'; did you mean 'server.listen'?"
    );
}

#[test]
fn a_wrong_value_is_named_with_what_it_must_be() {
    for (line, problem) in [
        (
            "listen = 'here'",
            "server.listen must be an address such as 127.0.0.1:9000, [::1]:9000, localhost:9000 or :9000, or a list of them, not 'here'",
        ),
        (
            "listen = 90000",
            "server.listen must be an address such as 127.0.0.1:9000, [::1]:9000, localhost:9000 or :9000, or a list of them, not 90000",
        ),
        ("durability = 'lax'", "server.durability must be \"strict\" or \"relaxed\", not 'lax'"),
        ("max_requests = 0", "server.max_requests must be a whole number above 0, not 0"),
        ("max_requests = 1.5", "server.max_requests must be a whole number above 0, not 1.5"),
        (
            "idle_timeout = '1 fortnight'",
            "server.idle_timeout must be a time such as 500ms, 30s, 10m, 12h or 7d, not '1 fortnight'",
        ),
        ("max_header_size = '1KiB'", "server.max_header_size must be between 8KiB and 1MiB"),
        (
            "domain = 'http://a.b'",
            "server.domain must be a host name such as s3.example.com, or a list of them, not 'http://a.b'",
        ),
        ("tls_cert = 'c.pem'", "server.tls_cert needs server.tls_key too"),
        (
            "log_level = 'verbose'",
            "server.log_level must be off, error, warn, info, debug or trace, also by target: info,access=debug, not 'verbose'",
        ),
    ] {
        assert_eq!(
            refused(&format!("[server]\n\n{line}\n"), &[]),
            format!("causeway: causeway.toml:3: {problem}")
        );
    }
}

#[test]
fn a_section_of_the_wrong_shape_is_named() {
    assert!(refused("server = 1\n", &[]).ends_with("causeway.toml:1: 'server' is a section, not a value"));
    assert!(
        refused("[identity]\n", &[])
            .ends_with("causeway.toml:1: 'identity' is a list of sections: write [[identity]]")
    );
    assert!(
        refused("backend = 'x'\n", &[])
            .ends_with("causeway.toml:1: 'backend' holds named sections: write [backend.NAME]")
    );
}

#[test]
fn a_file_that_is_not_toml_is_named_with_its_line() {
    assert!(refused("[server]\nlisten =\n", &[]).starts_with("causeway: causeway.toml:2: "));
    let place = Place::new();
    let ended = place.run(&["serve", "--config", "missing.toml"], &[]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("cannot read missing.toml"), "{}", ended.err);
}

#[test]
fn types_of_backends_are_those_there_are() {
    let message = refused("[backend.lake]\ntype = 'memry'\n", &[]);
    assert!(
        message.ends_with("causeway.toml:2: unknown backend type 'memry'; did you mean 'memory'?"),
        "{message}"
    );
    let message = refused("[backend.lake]\nroot = '/srv'\n", &[]);
    assert!(
        message.contains("causeway.toml:1: backend.lake.type is missing; it must be fs, memory, null, s3, "),
        "{message}"
    );
    let message = refused("[backend.lake]\ntype = 'fs'\n", &[]);
    assert!(
        message.ends_with("causeway.toml:1: backend.lake.root is missing; it must be a path"),
        "{message}"
    );
}

#[test]
fn names_of_backends_must_exist() {
    let message = refused("[backend.disk]\ntype = 'memory'\n[bucket.photos]\nbackend = 'disc'\n", &[]);
    let words = "causeway.toml:4: bucket.photos.backend names the backend 'disc', which is not configured; did you mean 'disk'?";
    assert!(message.ends_with(words), "{message}");
    let message = refused("[default]\nbackend = 'dsk'\n", &[]);
    assert!(message.contains("causeway.toml:2: default.backend names the backend 'dsk'"), "{message}");
    let message = refused("[backend.a]\ntype = 'memory'\n[backend.b]\ntype = 'memory'\n", &[]);
    assert!(message.ends_with("default.backend is missing: which of a, b takes new buckets?"), "{message}");
}

#[test]
fn buckets_must_have_names_and_places_of_their_own() {
    let message = refused("[bucket.Photos]\n", &[]);
    assert!(message.contains("causeway.toml:1: bucket 'Photos': "), "{message}");
    for prefix in ["../up", "/srv", "a//b", "a/./b"] {
        let message = refused(&format!("[bucket.photos]\nprefix = '{prefix}'\n"), &[]);
        assert!(
            message.contains("causeway.toml:2: bucket.photos.prefix must be a relative path"),
            "{message}"
        );
    }
    assert!(refused("[bucket.photos]\nprefix = '.causeway/tmp'\n", &[]).contains("Causeway's own"));
    let message = refused("[bucket.album]\nprefix = 'photos/2024/'\n[bucket.photos]\n", &[]);
    assert!(
        message.ends_with("causeway.toml:3: the locations of bucket 'album' and bucket 'photos' overlap: give each its own prefix"),
        "{message}"
    );
}

#[test]
fn an_access_key_belongs_to_one_identity() {
    let twice = "[[identity]]\naccess_key = 'a'\nsecret_key = 'x'\n[[identity]]\naccess_key = 'a'\nsecret_key = 'y'\n";
    assert!(
        refused(twice, &[])
            .ends_with("causeway.toml:5: identity[1].access_key 'a' is that of identity[0] too")
    );
    let root = [("CAUSEWAY_ROOT_USER", "a"), ("CAUSEWAY_ROOT_PASSWORD", "hunter2")];
    let message = refused("[[identity]]\naccess_key = 'a'\nsecret_key = 'x'\n", &root);
    assert!(
        message.ends_with("causeway.toml:2: identity[0].access_key 'a' is that of the root user too"),
        "{message}"
    );
}

#[test]
fn a_secret_that_cannot_be_had_is_named_and_no_secret_is_repeated() {
    let identity = |secret: &str| format!("[[identity]]\naccess_key = 'a'\nsecret_key = {secret}\n");
    let message = refused(&identity("{ env = 'NOT_SET' }"), &[]);
    assert!(
        message.ends_with(
            "causeway.toml:3: identity[0].secret_key names the variable NOT_SET, which is not set"
        ),
        "{message}"
    );
    let message = refused(&identity("{ file = 'missing' }"), &[]);
    assert!(message.contains("identity[0].secret_key names the file missing: "), "{message}");
    for wrong in ["{ enf = 'hunter2' }", "['hunter2']", "{ env = 'A', file = 'hunter2' }"] {
        let message = refused(&identity(wrong), &[]);
        assert!(
            message.contains("identity[0].secret_key must be a secret") && !message.contains("hunter2"),
            "{message}"
        );
    }
    assert!(refused(&identity("''"), &[]).ends_with("identity[0].secret_key is empty"));
}

#[test]
fn a_root_user_needs_a_password_and_the_other_way_round() {
    let message = refused("", &[("CAUSEWAY_ROOT_USER", "root")]);
    assert_eq!(
        message,
        "causeway: environment variable CAUSEWAY_ROOT_USER: is set, but CAUSEWAY_ROOT_PASSWORD is not"
    );
    let message = refused("", &[("MINIO_ROOT_PASSWORD", "hunter2")]);
    assert_eq!(
        message,
        "causeway: environment variable MINIO_ROOT_PASSWORD: is set, but MINIO_ROOT_USER is not"
    );
}

#[test]
fn variables_are_checked_like_keys() {
    let message = refused("", &[("CAUSEWAY__SERVER__LITSEN", "x")]);
    let words = "causeway: environment variable CAUSEWAY__SERVER__LITSEN: unknown key 'server.litsen'; did you mean 'server.listen'?";
    assert_eq!(message, words);
    let message = refused("", &[("CAUSEWAY__SERVER__MAX_REQUESTS", "many")]);
    assert!(
        message.ends_with(
            "CAUSEWAY__SERVER__MAX_REQUESTS: server.max_requests must be a whole number above 0, not 'many'"
        ),
        "{message}"
    );
    let message = refused("", &[("CAUSEWAY__SERVER", "x")]);
    assert!(message.ends_with("CAUSEWAY__SERVER: is not of the form CAUSEWAY__SECTION__KEY"), "{message}");
    let message = refused("", &[("CAUSEWAY__IDENTITY__1__ACCESS_KEY", "x")]);
    assert!(message.ends_with("entry 1 would leave a gap: there are 0 so far, numbered from 0"), "{message}");
}

#[test]
fn flags_override_variables_which_override_the_file() {
    let place = Place::new();
    place.write("causeway.toml", "[server]\nlog_format = 'wrong1'\n");
    let serve = ["serve", "--config", "causeway.toml", "--log-format", "wrong3"];
    let environment = [("CAUSEWAY__SERVER__LOG_FORMAT", "wrong2")];
    let said = |arguments: &[&str], environment: &[(&str, &str)]| {
        let ended = place.run(arguments, environment);
        assert_eq!(ended.code, Some(2));
        ended.err
    };
    assert!(said(&serve, &environment).starts_with("causeway: --log-format: server.log_format must be "));
    assert!(
        said(&serve[..3], &environment)
            .starts_with("causeway: environment variable CAUSEWAY__SERVER__LOG_FORMAT: ")
    );
    assert!(said(&serve[..3], &[]).starts_with("causeway: causeway.toml:2: "));
    assert_eq!(place.names(), ["causeway.toml"], "nothing was made");
}

#[test]
fn every_key_can_be_set_by_a_variable() {
    let text = "[backend.cold-disk]\ntype = 'fs'\nroot = '/a'\n[bucket.'my.photos']\nprefix = 'p'\n";
    let environment = [
        ("CAUSEWAY__SERVER__LISTEN", "127.0.0.1:1,[::1]:2"),
        ("CAUSEWAY__SERVER__MAX_CONNECTIONS", "77"),
        ("CAUSEWAY_LOG", "warn"),
        ("CAUSEWAY__BACKEND__COLD_DISK__ROOT", "/b"),
        ("CAUSEWAY__BACKEND__HOT__TYPE", "memory"),
        ("CAUSEWAY__BUCKET__MY_PHOTOS__PREFIX", "q"),
        ("CAUSEWAY__DEFAULT__BACKEND", "hot"),
        ("CAUSEWAY__IDENTITY__0__ACCESS_KEY", "alice"),
        ("CAUSEWAY__IDENTITY__0__SECRET_KEY__ENV", "ALICE"),
        ("ALICE", "hunter2"),
    ];
    let shown = shown(text, &environment);
    for line in [
        "listen = [\"127.0.0.1:1\", \"[::1]:2\"]",
        "max_connections = 77",
        "log_level = \"warn\"",
        "[backend.cold-disk]",
        "root = \"/b\"",
        "[backend.hot]",
        "type = \"memory\"",
        "prefix = \"q\"",
        "backend = \"hot\"",
        "access_key = \"alice\"",
        "secret_key = { env = \"ALICE\" }",
    ] {
        assert!(shown.lines().any(|l| l == line), "{line} is not in\n{shown}");
    }
    assert!(!shown.contains("hunter2") && !shown.contains("\"/a\""), "{shown}");
}

#[test]
fn a_cache_that_cannot_be_is_refused() {
    let text = "[backend.mem]\ntype = 'memory'\nstale_ttl = '1h'\n";
    let problem = "backend.mem.stale_ttl needs backend.mem.metadata_ttl: nothing is kept without";
    assert_eq!(refused(text, &[]), format!("causeway: causeway.toml:3: {problem}"));
    let bytes = "[backend.mem]\ntype = 'memory'\ndata_cache = true\n";
    let problem = "backend.mem.data_cache needs server.data_cache_memory or server.data_cache_disk";
    assert_eq!(refused(bytes, &[]), format!("causeway: causeway.toml:3: {problem}"));
    shown(&text.replace("stale_ttl", "metadata_ttl = '1m'\nstale_ttl"), &[]);
}

#[test]
fn what_check_prints_is_a_configuration_without_secrets() {
    let text = "[[identity]]\naccess_key = 'a'\nsecret_key = 'hunter2'\npolicy = 'readonly'\n[backend.mem]\ntype = 'memory'\n";
    let first = shown(text, &[("MINIO_ROOT_USER", "root"), ("MINIO_ROOT_PASSWORD", "hunter3")]);
    assert!(!first.contains("hunter"), "{first}");
    assert!(first.contains("# root user from the environment: root"), "{first}");
    assert_eq!(shown(&first, &[("MINIO_ROOT_USER", "root"), ("MINIO_ROOT_PASSWORD", "hunter3")]), first);
}

#[test]
fn a_certificate_that_cannot_be_used_stops_everything_before_it_starts() {
    let place = Place::new();
    place.write("c.pem", "no PEM").write("k.pem", "no PEM");
    place.write("causeway.toml", "[server]\nlisten = '127.0.0.1:0'\ntls_cert = 'c.pem'\ntls_key = 'k.pem'\n");
    for arguments in
        [["config", "check", "--config", "causeway.toml"], ["serve", "--config", "causeway.toml", "--data=d"]]
    {
        let ended = place.run(&arguments, &[]);
        assert_eq!(ended.code, Some(2));
        assert!(ended.err.contains("server.tls_cert c.pem: there is no certificate in it"), "{}", ended.err);
    }
    assert_eq!(place.names(), ["c.pem", "causeway.toml", "k.pem"]);
}

#[test]
fn the_directory_of_the_address_file_must_be_there() {
    let place = Place::new();
    let ended = place.run(&["serve", "--listen", "127.0.0.1:0", "--address-file", "missing/file"], &[]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("the address file missing/file: no such directory"), "{}", ended.err);
    assert!(place.names().is_empty());
}

#[test]
fn all_that_is_wrong_is_told_at_once_in_the_order_of_its_lines() {
    let text = "[server]\nlisten = 'here'\nmax_requests = 0\n[[identity]]\naccess_key = 'a/b'\n[backend.lake]\ntype = 's3'\nregoin = 'x'\n\
                [backend.disk]\ntype = 'fs'\nroot = '/a'\n[bucket.photos]\nbackend = 'dsik'\n[bucket.films]\nbackend = 'lake'\n\
                prefix = '/films'\n[default]\nbackend = 'lake'\n[sever]\n";
    let ended = check(text, &[("CAUSEWAY__SERVER__REGOIN", "x")]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""));
    let starts: Vec<&str> =
        ended.err.lines().map(|line| line.split(": ").nth(1).unwrap_or_default()).collect();
    let at = |line: usize| format!("causeway.toml:{line}");
    let expected = [
        at(2),
        at(3),
        at(4),
        at(5),
        at(8),
        at(13),
        at(16),
        at(19),
        "environment variable CAUSEWAY__SERVER__REGOIN".to_owned(),
    ];
    assert_eq!(starts, expected, "{}", ended.err);
    assert!(ended.err.lines().all(|line| line.starts_with("causeway: ")), "{}", ended.err);
    assert!(
        !ended.err.contains("'lake', which is not configured"),
        "what could not be read is there: {}",
        ended.err
    );
}

#[test]
fn a_default_backend_is_not_needed_where_every_bucket_names_its_own() {
    let backends = "[backend.a]\ntype = 'memory'\n[backend.b]\ntype = 'memory'\n";
    let named = format!("{backends}[bucket.photos]\nbackend = 'a'\n");
    assert!(!shown(&named, &[]).contains("[default]\nbackend"));
    let message = refused(&format!("{named}[bucket.films]\n"), &[]);
    assert_eq!(
        message,
        "causeway: causeway.toml:7: bucket.films.backend is missing, and so is default.backend: which of a, b holds it?"
    );
    shown("[backend.a]\ntype = 'memory'\n[bucket.photos]\n", &[]);

    let place = Place::new();
    place.write("causeway.toml", &format!("[server]\ndata = 'd'\n{named}"));
    let server =
        place.serve(&[], &[("CAUSEWAY_ROOT_USER", "root-user"), ("CAUSEWAY_ROOT_PASSWORD", "root-password")]);
    let raw = Raw::new(server.s3, Who { access_key: "root-user", secret_key: "root-password" });
    assert_eq!(raw.put("/photos/cat.jpg", "meow").send().status, 200);
    assert_eq!(raw.put("/others", "").send().failure(), is(501, "NotImplemented"));
    let said = place.run(
        &["bucket", "adopt", "others"],
        &[("CAUSEWAY_ROOT_USER", "root-user"), ("CAUSEWAY_ROOT_PASSWORD", "root-password")],
    );
    assert!(said.failed(1).contains("--backend"));
}

#[test]
fn a_variable_without_its_section_is_told_its_right_name() {
    let words = "is no variable of Causeway; did you mean CAUSEWAY__SERVER__LISTEN?";
    assert_eq!(
        refused("", &[("CAUSEWAY_LISTEN", ":9000")]),
        format!("causeway: environment variable CAUSEWAY_LISTEN: {words}")
    );
    shown("", &[("CAUSEWAY_PORT", "tcp://10.0.0.1:9000"), ("CAUSEWAY_BACKEND_LAKE_SECRET_KEY", "x")]);
}

#[test]
fn the_configuration_of_the_current_directory_is_used_unless_another_is_named() {
    let place = Place::new();
    place
        .write("causeway.toml", "[server]\nregoin = 'here'\n")
        .write("other.toml", "[server]\nregoin = 'other'\n");
    let said = |arguments: &[&str], environment: &[(&str, &str)]| place.run(arguments, environment).failed(2);
    assert!(said(&["serve"], &[]).starts_with("causeway: causeway.toml:2: "));
    assert!(said(&["serve", "--config", "other.toml"], &[]).starts_with("causeway: other.toml:2: "));
    assert!(said(&["serve"], &[("CAUSEWAY_CONFIG", "other.toml")]).starts_with("causeway: other.toml:2: "));

    let text = "[server]\nlisten = 'localhost:0'\nadmin_listen = '127.0.0.1:0'\naddress_file = 'addresses'\ndata = 'd'\n";
    place.write("causeway.toml", text);
    let log = |name: &str| std::fs::File::create(place.path(name)).expect("a file");
    let mut server =
        place.command(&["serve"]).stdout(log("stdout")).stderr(log("stderr")).spawn().expect("it starts");
    within(|| (place.read("addresses").lines().count() == 2).then_some(()));
    server.kill().expect("killed");
    server.wait().expect("it ends");
    let log = place.read("stderr");
    assert!(
        log.contains("the configuration file of the current directory is used")
            && log.contains("causeway.toml"),
        "{log}"
    );
}
