//! Limits as clients meet them: a served request is served completely, and requests beyond the limit get
//! SlowDown.

use super::{
    process::{Place, Running, within},
    support::{
        Who,
        raw::{Raw, RawReply},
    },
};
use causeway::model::Timestamp;
use rustix::process::Signal;
use std::ops::RangeInclusive;

const ROOT: [(&str, &str); 2] =
    [("CAUSEWAY_ROOT_USER", "root-user"), ("CAUSEWAY_ROOT_PASSWORD", "root-password")];
const WHO: Who = Who { access_key: "root-user", secret_key: "root-password" };
const ALICE: Who = Who { access_key: "alice", secret_key: "alice-secret" };

fn serve(place: &Place, config: &str) -> Running {
    place.write("causeway.toml", config);
    place.serve(&["--data", "d"], &ROOT)
}

/// Sends `count` requests at the same time.
fn at_once(count: usize, ask: impl Fn(usize) -> RawReply + Sync) -> Vec<RawReply> {
    std::thread::scope(|scope| {
        let ask = &ask;
        let asking: Vec<_> = (0..count).map(|number| scope.spawn(move || ask(number))).collect();
        asking.into_iter().map(|asked| asked.join().expect("answered")).collect()
    })
}

/// The number of served requests. All others must be refused, with a Retry-After in this range of seconds.
#[track_caller]
fn served(replies: &[RawReply], after: RangeInclusive<u64>) -> usize {
    let (served, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    for reply in refused {
        let told = reply.header("retry-after").and_then(|told| told.parse().ok());
        assert!(
            reply.status == 503 && told.is_some_and(|told| after.contains(&told)),
            "{told:?} {}",
            reply.text()
        );
        assert!(reply.text().contains("<Code>SlowDown</Code>"), "{}", reply.text());
    }
    served.len()
}

/// At most an hour, because an operator may raise a budget earlier.
fn until_the_month_is_over() -> RangeInclusive<u64> {
    let text = Timestamp::now().iso8601();
    let is_last_hour = ["28", "29", "30", "31"].contains(&&text[8..10]) && &text[11..13] == "23";
    if is_last_hour { 1..=3600 } else { 3600..=3600 }
}

#[test]
fn requests_beyond_the_rate_of_a_bucket_are_told_to_slow_down() {
    let place = Place::new();
    let server = serve(&place, "[bucket.busy]\nrequest_rate = 1\n[bucket.idle]\n");
    let raw = Raw::new(server.s3, WHO);
    let replies = at_once(60, |_| raw.get("/busy?list-type=2").send());
    // The next second is reserved for waiting requests already, so Retry-After is more than one second.
    let served_now = served(&replies, 2..=2);
    assert!((1..60).contains(&served_now), "{served_now}");
    assert_eq!(
        served(&at_once(20, |_| raw.get("/idle?list-type=2").send()), 1..=1),
        20,
        "others are not limited"
    );
    let refused = server.metric("causeway_throttled_total{scope=\"bucket\",name=\"busy\"}");
    assert_eq!(refused, Some(60.0 - served_now as f64));
}

#[test]
fn requests_beyond_the_rate_of_an_identity_are_told_to_slow_down() {
    let place = Place::new();
    let identity = "[[identity]]\naccess_key = 'alice'\nsecret_key = 'alice-secret'\nrequest_rate = 1\n";
    let server = serve(&place, identity);
    let replies = at_once(60, |_| Raw::new(server.s3, ALICE).get("/").send());
    assert!((1..60).contains(&served(&replies, 2..=2)));
    assert_eq!(served(&at_once(20, |_| Raw::new(server.s3, WHO).get("/").send()), 1..=1), 20);
}

#[test]
fn the_rate_of_an_account_is_that_of_its_users_and_of_calls_of_sts_too() {
    let place = Place::new();
    let identity = "[[identity]]\naccess_key = 'alice'\nsecret_key = 'alice-secret'\nrequest_rate = 1\n";
    let server = serve(&place, identity);
    let run = |arguments: &[&str]| place.run(arguments, &ROOT).succeeded();
    run(&["user", "create", "bob", "--account", "alice", "--data", "d"]);
    let full = "arn:aws:iam::aws:policy/AmazonS3FullAccess";
    run(&["user", "attach", "bob", full, "--account", "alice", "--data", "d"]);
    let made = run(&["user", "add-key", "bob", "--account", "alice", "--data", "d", "--json"]);
    let made: serde_json::Value = serde_json::from_str(&made).expect("JSON");
    let leaked = |name: &str| &*Box::leak(made[name].as_str().expect(name).to_owned().into_boxed_str());
    let bob = Who { access_key: leaked("AccessKeyId"), secret_key: leaked("SecretAccessKey") };
    let replies = at_once(60, |_| Raw::new(server.s3, bob).get("/").send());
    assert!((1..60).contains(&served(&replies, 2..=2)));
    let call = |who| {
        let call = Raw::new(server.s3, who).post("/", "Action=GetCallerIdentity&Version=2011-06-15");
        call.service("sts").header("content-type", "application/x-www-form-urlencoded").send()
    };
    let replies = at_once(60, |_| call(ALICE));
    assert!(
        replies.iter().any(|reply| reply.status == 503 && reply.text().contains("<Code>Throttling</Code>"))
    );
    assert!(at_once(20, |_| call(WHO)).iter().all(|reply| reply.status == 200), "others are not limited");
}

#[test]
fn of_many_that_a_backend_lets_hang_only_its_slots_are_taken() {
    let place = Place::new();
    let server = serve(
        &place,
        "[backend.memory]\ntype = 'memory'\n[backend.stuck]\ntype = 'faulty'\nbackend = 'memory'\nhang = 1\noperations = 'get'\nconcurrency = 2\n\
         [bucket.stuck]\nbackend = 'stuck'\n[default]\nbackend = 'memory'\n",
    );
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(raw.put("/stuck/a", "1").send().status, 200);
    // Two of the requests never get an answer; the killed server ends them.
    let (sender, answers) = std::sync::mpsc::channel();
    for _ in 0..6 {
        let (raw, sender) = (Raw::new(server.s3, WHO), sender.clone());
        std::thread::spawn(move || {
            let wire = raw.get("/stuck/a").wire();
            // Hanging requests end with the server.
            if let Ok(reply) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| raw.send(&wire))) {
                let _ = sender.send(reply);
            }
        });
    }
    let refused: Vec<_> = (0..4).map(|_| answers.recv().expect("an answer")).collect();
    assert_eq!(served(&refused, 1..=1), 0, "nobody knows when a slot is free");
    assert_eq!(server.metric("causeway_throttled_total{scope=\"backend\",name=\"stuck\"}"), Some(4.0));
    assert_eq!(server.metric("causeway_requests_in_flight"), Some(2.0));
    assert!(answers.try_recv().is_err());
}

#[test]
fn bodies_at_a_pace_are_whole() {
    let place = Place::new();
    let server = serve(
        &place,
        "[[identity]]\naccess_key = 'alice'\nsecret_key = 'alice-secret'\npolicy = 'admin'\nupload_rate = '1MiB/s'\n\
         [backend.disk]\ntype = 'fs'\nroot = 'objects'\n[bucket.paced]\nbackend = 'disk'\ndownload_rate = '1MiB/s'\n\
         [backend.slow]\ntype = 'fs'\nroot = 'slow'\nupload_rate = '1MiB/s'\ndownload_rate = '1MiB/s'\n[bucket.deep]\nbackend = 'slow'\n\
         [default]\nbackend = 'disk'\n",
    );
    let body: Vec<u8> = (0..1_300_000u32).map(|n| (n / 7) as u8).collect();
    for (who, bucket) in [(ALICE, "paced"), (WHO, "deep")] {
        let (raw, target) = (Raw::new(server.s3, who), format!("/{bucket}/a"));
        assert_eq!(raw.put(&target, &body).send().status, 200);
        let got = raw.get(&target).send();
        assert_eq!((got.status, got.header("content-length")), (200, Some("1300000")));
        assert!(got.body == body);
        let range = raw.get(&target).header("range", "bytes=1000-299999").send();
        assert_eq!((range.status, range.body == body[1000..300_000]), (206, true));
        let head = raw.request("HEAD", &target).send();
        assert_eq!((head.status, head.header("content-length")), (200, Some("1300000")));
    }
    for scope in [
        "scope=\"backend\",name=\"slow\"",
        "scope=\"bucket\",name=\"paced\"",
        "scope=\"identity\",name=\"alice\"",
    ] {
        let waited = server.metric(&format!("causeway_throttle_waited_seconds_total{{{scope}}}"));
        assert!(waited.is_some_and(|waited| waited > 0.0), "{scope}: {waited:?}");
    }
}

#[test]
fn a_budget_that_is_used_up_stays_so_over_a_restart() {
    let place = Place::new();
    let config = "[backend.disk]\ntype = 'fs'\nroot = 'objects'\nmonthly_download = '5B'\n";
    let mut server = serve(&place, config);
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(raw.put("/bucket", "").send().status, 200);
    assert_eq!(raw.put("/bucket/a", "hello").send().status, 200);
    assert_eq!(raw.get("/bucket/a").send().text(), "hello");
    assert_eq!(served(&[raw.get("/bucket/a").send()], until_the_month_is_over()), 0);
    assert_eq!(raw.put("/bucket/b", "hello").send().status, 200, "an upload is no download");
    assert_eq!(server.metric("causeway_budget_download_bytes{backend=\"disk\"}"), Some(5.0));
    server.signal(Signal::TERM);
    assert!(server.wait().success());
    assert!(place.read("d/.causeway/budgets.json").contains("\"download\": 5"));

    let server = place.serve(&["--data", "d"], &ROOT);
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(served(&[raw.get("/bucket/a").send()], until_the_month_is_over()), 0);
    drop(server);
    let server = serve(&place, &format!("{config}at_budget = 'avoid'\n"));
    assert_eq!(Raw::new(server.s3, WHO).get("/bucket/a").send().text(), "hello");
    drop(server);
    place.write("d/.causeway/budgets.json", "{\"version\": 2}");
    let ended =
        place.run(&["serve", "--config", "causeway.toml", "--data", "d", "--listen", "127.0.0.1:0"], &ROOT);
    assert!(ended.code == Some(1) && ended.err.contains("budgets"), "{:?} {}", ended.code, ended.err);
}

#[test]
fn a_running_server_writes_budgets_down_by_itself() {
    let place = Place::new();
    let server =
        serve(&place, "[backend.disk]\ntype = 'fs'\nroot = 'objects'\nmonthly_requests = 1000000000\n");
    let raw = Raw::new(server.s3, WHO);
    assert_eq!(raw.put("/bucket", "").send().status, 200);
    assert_eq!(raw.put("/bucket/a", "hello").send().status, 200);
    within(|| place.path("d/.causeway/budgets.json").exists().then_some(()));
    within(|| place.read("d/.causeway/budgets.json").contains("\"requests\": 1").then_some(()));
}

#[test]
fn limits_are_checked_and_shown() {
    let place = Place::new();
    let config = "[backend.disk]\ntype = 'fs'\nroot = 'objects'\nupload_rate = '10MiB'\nmonthly_requests = 5000000000\nat_budget = 'avoid'\n\
                  [bucket.photos]\nconcurrency = 3\n[[identity]]\naccess_key = 'a'\nsecret_key = 'b'\nrequest_rate = 7\n";
    place.write("causeway.toml", config);
    let shown = place.run(&["config", "check", "--config", "causeway.toml"], &[]).succeeded();
    for line in [
        "upload_rate = \"10MiB/s\"",
        "monthly_requests = 5000000000",
        "at_budget = \"avoid\"",
        "concurrency = 3",
        "request_rate = 7",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line} is not in\n{shown}");
    }
    place.write("causeway.toml", "[bucket.photos]\ndownload_rate = '0'\n");
    let wrong = place.run(&["config", "check", "--config", "causeway.toml"], &[]).failed(2);
    let expected = "causeway: causeway.toml:2: bucket.photos.download_rate must be a size per second such as 10MiB or 10MiB/s, not '0'\n";
    assert_eq!(wrong, expected);
}
