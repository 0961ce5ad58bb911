//! Compares the table of operations with the service model of the AWS SDK, `conformance/operations.toml`, and
//! with the table of the treatment of each header and parameter, `conformance/parameters.toml`. Its refusals
//! are sent to a server by `conformance/tests`.

use causeway::s3::{Facts, Mark, Operation, Scope, reference};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// The operations that no client of S3's SDK sends: requests of browsers, and those of the control plane.
const NOT_OF_THE_SDK: [Operation; 7] = [
    Operation::PostObject,
    Operation::GetAccountPublicAccessBlock,
    Operation::PutAccountPublicAccessBlock,
    Operation::DeleteAccountPublicAccessBlock,
    Operation::ListTagsForResource,
    Operation::TagResource,
    Operation::UntagResource,
];

/// Marks that clients may leave out: nothing else distinguishes the two operations with this method and path.
const OPTIONAL_MARKS: [(Operation, &str); 1] = [(Operation::ListDirectoryBuckets, "max-directory-buckets")];

type Set = BTreeSet<String>;

/// An operation of the service model.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    method: String,
    uri: String,
    #[serde(default)]
    query: Set,
    #[serde(default)]
    headers: Set,
    #[serde(default)]
    required: Set,
}

impl Model {
    /// The scope, and the parameters that the path contains.
    fn path(&self) -> (Scope, Vec<(&str, &str)>) {
        let (path, query) = self.uri.split_once('?').unwrap_or((&self.uri, ""));
        let scope = match path {
            "/" => Scope::Service,
            // The one fixed path has the form of a bucket.
            "/{Bucket}" | "/WriteGetObjectResponse" => Scope::Bucket,
            "/{Bucket}/{Key+}" => Scope::Object,
            other => panic!("{other} is a path that no operation had so far"),
        };
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        (scope, pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect())
    }

    fn parameters(&self) -> Set {
        self.path().1.into_iter().map(|(name, _)| name.to_owned()).chain(self.query.iter().cloned()).collect()
    }
}

fn model() -> BTreeMap<String, Model> {
    toml::from_str(include_str!("../../conformance/operations.toml")).expect("a model")
}

/// The treatment of parameters: by place and name, with the operations.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Parameters {
    honoured: BTreeMap<String, BTreeMap<String, Set>>,
    without_effect: BTreeMap<String, BTreeMap<String, Explained>>,
    refused: BTreeMap<String, BTreeMap<String, Explained>>,
    #[serde(rename = "refused-value")]
    _refused_values: Vec<toml::Table>,
}

#[derive(Debug, Deserialize)]
struct Explained {
    operations: Set,
    why: String,
}

/// Operation, place and name of everything in `conformance/parameters.toml`.
fn parameters() -> BTreeSet<(String, String, String)> {
    let table: Parameters =
        toml::from_str(include_str!("../../conformance/parameters.toml")).expect("a table");
    let mut found = BTreeSet::new();
    let mut add = |place: &str, name: &str, operations: &Set| {
        for operation in operations {
            let is_new = found.insert((operation.clone(), place.to_owned(), name.to_owned()));
            assert!(is_new, "{operation} {name} is listed twice");
        }
    };
    for (place, rows) in &table.honoured {
        rows.iter().for_each(|(name, operations)| add(place, name, operations));
    }
    for (place, rows) in table.without_effect.iter().chain(&table.refused) {
        for (name, row) in rows {
            assert!(row.why.ends_with('.'), "{name} has no reason");
            add(place, name, &row.operations);
        }
    }
    found
}

fn all() -> impl Iterator<Item = &'static Facts> {
    Operation::ALL.iter().map(|operation| operation.facts())
}

fn served() -> impl Iterator<Item = &'static Facts> {
    all().filter(|facts| facts.is_served())
}

#[test]
fn every_operation_of_the_newest_sdk_has_a_row_and_every_row_is_one_of_its_operations() {
    print!("{}", reference());
    let known: Set = model().into_keys().collect();
    let rows = all().filter(|facts| !NOT_OF_THE_SDK.contains(&facts.operation));
    assert_eq!(rows.map(|facts| facts.operation.as_str().to_owned()).collect::<Set>(), known);
    assert!(known.len() >= 116, "only {} operations: is this the model?", known.len());
}

#[test]
fn a_row_says_how_the_sdk_names_its_operation() {
    let model = model();
    for facts in all().filter(|facts| !NOT_OF_THE_SDK.contains(&facts.operation)) {
        let (name, of_sdk) = (facts.operation.as_str(), &model[facts.operation.as_str()]);
        let (scope, fixed) = of_sdk.path();
        assert_eq!((facts.verb.as_str(), facts.scope), (of_sdk.method.as_str(), scope), "{name}");
        // Everything that identifies a row is in each request for its operation.
        for mark in facts.named {
            let is_sent = |parameter: &str| {
                fixed.iter().any(|(known, _)| *known == parameter)
                    || of_sdk.required.contains(parameter)
                    || OPTIONAL_MARKS.contains(&(facts.operation, parameter))
            };
            match *mark {
                Mark::Query(parameter) => assert!(is_sent(parameter), "{name}: {mark}"),
                Mark::Either(parameter, other) => {
                    assert!(is_sent(parameter) && is_sent(other), "{name}: {mark}")
                }
                Mark::Value(parameter, value) => {
                    assert!(fixed.contains(&(parameter, value)), "{name}: {mark}")
                }
                Mark::Header(header) => assert!(of_sdk.required.contains(header), "{name}: {mark}"),
                Mark::Path(_) | Mark::Under(_) => panic!("{name}: S3 has no such path"),
            }
        }
    }
}

#[test]
fn a_row_knows_the_parameters_that_the_sdk_sends_and_no_others() {
    let model = model();
    for facts in all().filter(|facts| !NOT_OF_THE_SDK.contains(&facts.operation)) {
        let named = facts.named.iter().flat_map(|mark| mark.parameters());
        let known: Set = named.chain(facts.takes.iter().copied()).map(str::to_owned).collect();
        assert_eq!(known, model[facts.operation.as_str()].parameters(), "{}", facts.operation.as_str());
    }
}

#[test]
fn each_header_and_parameter_of_an_operation_that_is_served_is_honoured_refused_or_explained() {
    let model = model();
    let mut sent = BTreeSet::new();
    for facts in served().filter(|facts| !NOT_OF_THE_SDK.contains(&facts.operation)) {
        let (name, of_sdk) = (facts.operation.as_str(), &model[facts.operation.as_str()]);
        sent.extend(
            of_sdk.query.iter().map(|parameter| (name.to_owned(), "query".to_owned(), parameter.clone())),
        );
        sent.extend(
            of_sdk.headers.iter().map(|header| (name.to_owned(), "header".to_owned(), header.clone())),
        );
    }
    let listed = parameters();
    assert_eq!(
        sent.difference(&listed).collect::<Vec<_>>(),
        Vec::<&_>::new(),
        "missing in conformance/parameters.toml"
    );
    assert_eq!(
        listed.difference(&sent).collect::<Vec<_>>(),
        Vec::<&_>::new(),
        "sent by no client of the SDK to an operation that is served"
    );
}

#[test]
fn the_reference_of_operations_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let expected = reference();
    if std::env::var_os("CAUSEWAY_BLESS").is_some() {
        std::fs::write(&path, &expected).expect("written");
    }
    let actual = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        actual == expected,
        "docs/operations.md is out of date: CAUSEWAY_BLESS=1 cargo test --test s3 operations"
    );
}
