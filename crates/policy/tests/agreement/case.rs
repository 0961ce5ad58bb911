//! Random policies and requests, from words that often meet.

use serde_json::{Map, Value, json};

/// A small generator (splitmix64), so that a seed gives the same cases everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }

    /// One to three values, as a text or a list.
    fn some(&mut self, from: &[&str]) -> Value {
        if self.one_in(2) {
            return json!(self.pick(from));
        }
        let count = 1 + self.below(3);
        json!((0..count).map(|_| self.pick(from)).collect::<Vec<_>>())
    }

    fn text(&mut self, alphabet: &str) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        (0..self.below(8)).map(|_| self.pick(&alphabet)).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Anonymous,
    Root,
    User,
    Session,
    Service,
}

#[derive(Debug, Clone)]
pub struct Sender {
    pub kind: Kind,
    pub account: String,
    pub canonical: String,
    pub arn: String,
    pub id: String,
    pub name: String,
    pub role: String,
    pub provider: String,
    pub tags: Vec<(String, String)>,
}

#[derive(Debug, Clone)]
pub struct Case {
    pub sender: Sender,
    pub owner: String,
    pub action: String,
    pub resource: String,
    pub context: Vec<(String, String)>,
    pub identity: Vec<Value>,
    pub boundary: Option<Value>,
    pub session: Option<Vec<Value>>,
    pub bucket: Option<Value>,
    /// The ids of named users and roles, if the bucket policy was pinned.
    pub pins: Option<Vec<(String, Option<String>)>>,
}

const OURS: &str = "111111111111";
const THEIRS: &str = "222222222222";
const USERS: [(&str, &str); 2] = [("bob", "AIDABOB1111111111"), ("eve", "AIDAEVE2222222222")];
const ROLE_ID: &str = "AROAROLE333333333";
const PROVIDER: &str = "accounts.example.org";
const SERVICE: &str = "logging.s3.amazonaws.com";

const ACTIONS: &[&str] = &[
    "s3:GetObject",
    "s3:getobject",
    "s3:Get*",
    "s3:*",
    "*",
    "s3:PutObject",
    "s3:ListBucket",
    "s3:?etObject",
    "s3:*Object*",
    "s3:PutBucketPolicy",
    "S3:DeleteObject",
    "s3:*Bucket",
];
const OTHER_ACTIONS: &[&str] = &["iam:*", "s3:NewAction", "iam:CreateUser", "s3:GetObject", "s3:*"];
const ASKED: &[&str] = &[
    "s3:GetObject",
    "s3:PutObject",
    "s3:ListBucket",
    "s3:PutBucketPolicy",
    "s3:DeleteObject",
    "s3:GetObjectAcl",
    "iam:CreateUser",
    "s3:NewAction",
];
const RESOURCES: &[&str] = &[
    "arn:aws:s3:::b",
    "arn:aws:s3:::b/*",
    "arn:aws:s3:::b*",
    "arn:aws:s3:::b/home/*",
    "arn:aws:s3:::*",
    "*",
    "arn:aws:s3:::b/home/${aws:username}/*",
    "arn:aws:s3:::b/${aws:PrincipalTag/team, 'none'}/?",
    "arn:aws:s3:::b/*/x?z",
    "arn:aws:s3:::?/a*c",
    "arn:aws:s3:::b/${*}/${?}${$}",
    "arn:*:s3:*:*:b/*",
    "arn:aws:s3:::b/${aws:TagKeys}",
    "arn:aws:s3:::b/${s3:prefix}*",
    "arn:aws:s3:::b/${s3:ExistingObjectTag/team}/*",
];
const OTHER_RESOURCES: &[&str] =
    &["arn:aws:s3:::other/*", "arn:aws:iam::111111111111:user/*", "arn:aws:s3:*:*:*"];
const ASKED_FOR: &[&str] = &[
    "arn:aws:s3:::b",
    "arn:aws:s3:::b/home/bob/x",
    "arn:aws:s3:::b/a:b/xyz",
    "arn:aws:s3:::b/*/?$",
    "arn:aws:s3:::other/k",
    "arn:aws:s3:::b/home/${aws:username}/x",
    "arn:aws:s3:::*",
    "arn:aws:s3:::b/none/é",
    "arn:aws:s3:::b/red/x",
    "arn:aws:iam::111111111111:user/bob",
    "arn:aws:s3:::b/abc",
];
const KEYS: &[&str] = &[
    "s3:prefix",
    "aws:SourceIp",
    "aws:username",
    "aws:userid",
    "aws:PrincipalTag/team",
    "aws:TagKeys",
    "s3:max-keys",
    "aws:CurrentTime",
    "aws:SecureTransport",
    "aws:PrincipalArn",
    "aws:SourceArn",
    "AWS:SOURCEARN",
    "s3:x-amz-acl",
    "aws:PrincipalAccount",
    "aws:PrincipalIsAWSService",
    "s3:ExistingObjectTag/team",
    "s3:RequestObjectTag/team",
    "s3:RequestObjectTagKeys",
    "aws:RequestTag/team",
    "s3:LocationConstraint",
];
const TEXTS: &[&str] = &[
    "",
    "a",
    "red",
    "RED",
    "bob",
    "b*",
    "?ob",
    "${aws:username}",
    "${aws:PrincipalTag/Team, 'it''s}'}",
    "it's}",
    "${*}x",
    "*x",
    "AIDABOB1111111111",
    "anonymous",
    "É",
    "é",
    "x${s3:prefix}x",
    "*",
    "${aws:TagKeys, 'k'}",
    "${aws:RequestTag/team}",
];
const NUMBERS: &[&str] =
    &["0", "5", "10", "10.5", "-3", "9007199254740992", "9007199254740993", "05", "10.50", "-0"];
const DATES: &[&str] = &[
    "2020-01-01T00:00:00Z",
    "2020-01-01T01:00:00+01:00",
    "2019-12-31T22:30:00-01:30",
    "1577836800",
    "2020-01-01",
    "2020-02-29",
    "2020-02",
    "2020-01-01T00:00Z",
    "1583020799",
];
const ADDRESSES: &[&str] = &[
    "10.0.0.0/8",
    "10.1.2.3",
    "0.0.0.0/0",
    "10.1.2.3/31",
    "2001:db8::/32",
    "2001:db8::1",
    "::ffff:10.1.2.0/120",
    "128.0.0.0/1",
    "::/0",
    "2000::/3",
];
const ARNS: &[&str] = &[
    "arn:aws:iam::111111111111:user/bob",
    "arn:aws:iam::*:user/*",
    "arn:aws:iam::111111111111:*",
    "arn:*:*:*:*:*",
    "arn:aws:s3:::b",
    "arn:aws:s3:::?",
    "${aws:PrincipalArn}",
    "arn:aws:iam::${aws:PrincipalAccount}:role/r",
    "*",
    "${aws:PrincipalTag/none, 'arn:aws:s3:::b'}",
];
const GIVEN: &[&str] = &[
    "",
    "a",
    "red",
    "Red",
    "bob",
    "bxb",
    "*x",
    "x",
    "5",
    "10",
    "10.5",
    "-3",
    "9007199254740993",
    "2020-01-01T00:00:00Z",
    "1577836800",
    "2020-02-29",
    "2020-02-30",
    "true",
    "False",
    "yes",
    "10.1.2.3",
    "::ffff:10.1.2.3",
    "2001:db8::1",
    "192.0.2.1",
    "arn:aws:s3:::b",
    "arn:aws:iam::222222222222:user/eve",
    "YQ==",
    "é",
    "É",
    "k",
    "${aws:username}",
];

/// Words in the names of operators, keys of their type, and values of these.
const TYPED: &[(&str, &str, &[&str])] = &[
    ("numeric", "s3:max-keys", &["0", "5", "9", "10", "10.50", "-3", "9007199254740993", "1e1"]),
    ("date", "aws:CurrentTime", &["2020-01-01T00:00:00Z", "2020-02-29T00:00:01+00:00", "1577836800"]),
    ("bool", "aws:SecureTransport", &["true", "false", "TRUE"]),
    (
        "ipaddress",
        "aws:SourceIp",
        &["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1", "192.0.2.1", "10.1.2.3, ::1"],
    ),
    ("arn", "aws:SourceArn", &["arn:aws:s3:::b", "arn:aws:s3:::c", "arn:aws:iam::222222222222:user/eve"]),
];

pub fn sender(random: &mut Random) -> Sender {
    let empty = || Sender {
        kind: Kind::Anonymous,
        account: String::new(),
        canonical: String::new(),
        arn: String::new(),
        id: String::new(),
        name: String::new(),
        role: String::new(),
        provider: String::new(),
        tags: Vec::new(),
    };
    let account = random.pick(&[OURS, OURS, THEIRS]).to_owned();
    let tags = match random.below(4) {
        0 => vec![("Team".into(), "red".into())],
        1 => vec![("team".into(), random.text("ab*"))],
        2 => vec![("team".into(), "a".into()), ("TEAM".into(), "b".into())],
        _ => vec![],
    };
    let known =
        Sender { canonical: format!("canonical{account}"), account: account.clone(), tags, ..empty() };
    match random.below(8) {
        0 => empty(),
        1 => Sender { kind: Kind::Root, arn: format!("arn:aws:iam::{account}:root"), ..known },
        2 => Sender { kind: Kind::Service, arn: SERVICE.into(), ..empty() },
        3 | 4 => {
            let name = random.pick(&["s1", "s2"]).to_owned();
            Sender {
                kind: Kind::Session,
                arn: format!("arn:aws:sts::{account}:assumed-role/r/{name}"),
                role: format!("arn:aws:iam::{account}:role/r"),
                id: ROLE_ID.into(),
                provider: random.pick(&["", PROVIDER]).into(),
                name,
                ..known
            }
        }
        _ => {
            let (name, id) = random.pick(&USERS);
            let arn = format!("arn:aws:iam::{account}:user/{name}");
            Sender { kind: Kind::User, arn, id: id.into(), name: name.into(), ..known }
        }
    }
}

fn principals(random: &mut Random) -> Value {
    if random.one_in(5) {
        return json!("*");
    }
    let mut named = Map::new();
    let aws = [
        "*",
        OURS,
        "arn:aws:iam::222222222222:root",
        "arn:aws:iam::111111111111:root",
        "arn:aws:iam::111111111111:user/bob",
        "arn:aws:iam::111111111111:user/bob",
        "arn:aws:iam::222222222222:user/eve",
        "arn:aws:iam::111111111111:role/r",
        "arn:aws:iam::222222222222:role/r",
        "arn:aws:sts::111111111111:assumed-role/r/s1",
        "AIDABOB1111111111",
        ROLE_ID,
    ];
    // Lists of several make it likely that everything that a sender is gets named.
    let count = 1 + random.below(5);
    named.insert("AWS".into(), json!((0..count).map(|_| random.pick(&aws)).collect::<Vec<_>>()));
    if random.one_in(6) {
        named.insert("CanonicalUser".into(), json!("canonical222222222222"));
    }
    if random.one_in(6) {
        named.insert("Service".into(), json!(SERVICE));
    }
    if random.one_in(6) {
        named.insert("Federated".into(), json!([PROVIDER]));
    }
    Value::Object(named)
}

fn condition(random: &mut Random) -> (String, String, Value) {
    let string = ["StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"];
    let like = ["StringLike", "StringNotLike"];
    let orders = ["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"];
    let (mut name, values) = match random.below(11) {
        0 | 1 => (random.pick(&string).to_owned(), random.some(TEXTS)),
        2 => (random.pick(&like).to_owned(), random.some(TEXTS)),
        3 => {
            let texts: Vec<String> = (0..1 + random.below(3)).map(|_| random.text("ab*?")).collect();
            (random.pick(&like).to_owned(), json!(texts))
        }
        4 => (format!("Numeric{}", random.pick(&orders)), random.some(NUMBERS)),
        5 => (format!("Date{}", random.pick(&orders)), random.some(DATES)),
        6 => ("Bool".to_owned(), random.pick(&[json!(true), json!("false"), json!(["true"]), json!("TRUE")])),
        7 => ("BinaryEquals".to_owned(), random.some(&["YQ==", "YWI=", "AAAA"])),
        8 => (random.pick(&["IpAddress", "NotIpAddress"]).to_owned(), random.some(ADDRESSES)),
        9 => {
            let names = ["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"];
            (random.pick(&names).to_owned(), random.some(ARNS))
        }
        _ => return ("Null".into(), random.pick(KEYS).into(), random.pick(&[json!(true), json!("false")])),
    };
    if random.one_in(4) {
        name.push_str("IfExists");
    }
    match random.below(5) {
        0 => name.insert_str(0, "ForAllValues:"),
        1 => name.insert_str(0, "ForAnyValue:"),
        _ => {}
    }
    // Half of the keys have values of the operator's type.
    let typed = TYPED.iter().find(|(kind, ..)| name.to_lowercase().contains(kind));
    let key = match typed {
        Some((_, key, _)) if random.one_in(2) => key,
        _ => random.pick(KEYS),
    };
    if random.one_in(8) {
        name = name.to_lowercase();
    }
    (name, key.into(), values)
}

fn statement(random: &mut Random, of_bucket: bool, number: usize) -> Value {
    let mut members = Map::new();
    let effect = if random.one_in(4) { "Deny" } else { "Allow" };
    members.insert("Effect".into(), json!(effect));
    if random.one_in(2) {
        members.insert("Sid".into(), json!(format!("s{number}")));
    }
    if of_bucket {
        let name = if effect == "Deny" && random.one_in(2) { "NotPrincipal" } else { "Principal" };
        members.insert(name.into(), principals(random));
    }
    let actions = if !of_bucket && random.one_in(5) { OTHER_ACTIONS } else { ACTIONS };
    let name = if random.one_in(6) { "NotAction" } else { "Action" };
    members.insert(name.into(), random.some(actions));
    let resources = if !of_bucket && random.one_in(6) { OTHER_RESOURCES } else { RESOURCES };
    let name = if random.one_in(6) { "NotResource" } else { "Resource" };
    members.insert(name.into(), random.some(resources));
    let mut conditions = Map::new();
    while random.one_in(2) && conditions.len() < 3 {
        let (operator, key, values) = condition(random);
        let keys = conditions.entry(operator).or_insert_with(|| json!({}));
        keys.as_object_mut().expect("keys").insert(key, values);
    }
    if !conditions.is_empty() {
        members.insert("Condition".into(), Value::Object(conditions));
    }
    Value::Object(members)
}

fn policy(random: &mut Random, of_bucket: bool) -> Value {
    let statements: Vec<Value> =
        (0..1 + random.below(4)).map(|number| statement(random, of_bucket, number)).collect();
    let mut members = Map::new();
    match random.below(8) {
        0 => {}
        1 => drop(members.insert("Version".into(), json!("2008-10-17"))),
        _ => drop(members.insert("Version".into(), json!("2012-10-17"))),
    }
    let single = statements.len() == 1 && random.one_in(2);
    members.insert("Statement".into(), if single { statements[0].clone() } else { json!(statements) });
    Value::Object(members)
}

pub fn case(random: &mut Random) -> Case {
    let mut context: Vec<(String, String)> = Vec::new();
    for _ in 0..random.below(9) {
        // The sender's own keys are not the client's to set.
        let key = random.pick(&[
            "s3:prefix",
            "aws:SourceIp",
            "aws:TagKeys",
            "aws:tagkeys",
            "s3:max-keys",
            "aws:CurrentTime",
            "aws:SecureTransport",
            "aws:SourceArn",
            "s3:x-amz-acl",
            "s3:ExistingObjectTag/team",
            "s3:RequestObjectTag/team",
            "s3:RequestObjectTagKeys",
            "aws:RequestTag/team",
            "s3:LocationConstraint",
        ]);
        let is_multiple = key.eq_ignore_ascii_case("aws:TagKeys") || random.one_in(20);
        if is_multiple || !context.iter().any(|(other, _)| other.eq_ignore_ascii_case(key)) {
            let typed = TYPED.iter().find(|(_, other, _)| *other == key);
            let value = match typed {
                Some((.., values)) if random.one_in(2) => random.pick(values).to_owned(),
                _ if random.one_in(3) => random.text("ab"),
                _ => random.pick(GIVEN).to_owned(),
            };
            context.push((key.to_owned(), value));
        }
    }
    let pins = random.one_in(3).then(|| {
        let pinned = [
            (
                "arn:aws:iam::111111111111:user/bob",
                random.pick(&[Some("AIDABOB1111111111"), Some("AIDAOLDBOB"), None]),
            ),
            ("arn:aws:iam::111111111111:role/r", random.pick(&[Some(ROLE_ID), None])),
            ("arn:aws:iam::222222222222:user/eve", Some("AIDAEVE2222222222")),
        ];
        pinned.iter().map(|(arn, id)| ((*arn).to_owned(), id.map(str::to_owned))).collect()
    });
    let sender = sender(random);
    let has_account = !matches!(sender.kind, Kind::Anonymous | Kind::Service);
    let takes_policies = matches!(sender.kind, Kind::User | Kind::Session);
    let identities = if takes_policies { random.below(3) } else { 0 };
    let boundary = takes_policies && random.one_in(4);
    let session = takes_policies && has_account && random.one_in(4);
    let sessions = if session { random.below(3) } else { 0 };
    Case {
        sender,
        owner: random.pick(&[OURS, OURS, OURS, THEIRS]).to_owned(),
        action: random.pick(ASKED).to_owned(),
        resource: random.pick(ASKED_FOR).to_owned(),
        context,
        identity: (0..identities).map(|_| policy(random, false)).collect(),
        boundary: boundary.then(|| policy(random, false)),
        session: session.then(|| (0..sessions).map(|_| policy(random, false)).collect()),
        bucket: (!random.one_in(4)).then(|| policy(random, true)),
        pins,
    }
}

/// The same case with a trust policy instead of the policy of a bucket: it names no resources.
pub fn with_trust(case: &Case) -> Case {
    let mut case = case.clone();
    let statements = case.bucket.as_mut().map(|policy| &mut policy["Statement"]);
    let all: Vec<&mut Value> = match statements {
        Some(Value::Array(list)) => list.iter_mut().collect(),
        Some(single) => vec![single],
        None => vec![],
    };
    for statement in all.into_iter().filter_map(Value::as_object_mut) {
        statement.remove("Resource");
        statement.remove("NotResource");
    }
    case
}
