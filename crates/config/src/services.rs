//! Settings of the services that OpenDAL reaches. Their options are those in the table of the driver.

use super::{
    error::ConfigErrors,
    http::Http,
    secret::SecretSetting,
    section::{Fallback, Reader, Row},
    tree::{Node, Raw},
    value::{Context, Setting, quote, refuse},
};
use crate::{
    drivers::opendal::{Service, ServiceOption, services},
    model::{Endpoint, Secret},
};
use Fallback::{Required, Text, Unset};

pub(super) const ABOUT: &str = "Any other type: a service of [services](guide/services.md), which has the options of each. What all of them take:";

/// The keys that only services have, and all of them do.
const OWN: [Row; 3] = [
    Row {
        name: "root",
        kind: String::KIND,
        fallback: Text("/"),
        help: "The folder that holds the buckets, or the beginning of all names.",
    },
    Row {
        name: "hosts",
        kind: HostsSetting::KIND,
        fallback: Unset("none"),
        help: "Other ways to hosts of the service that are not in its options: a proxy, a private link.",
    },
    Row { name: "rate", kind: usize::KIND, fallback: Unset("any"), help: "Requests a second at most." },
];

const HTTP: [Row; 5] = Http::rows("30s", "64");

/// The keys that every service has.
pub(super) const COMMON: &[Row] = &Row::joined::<{ OWN.len() + HTTP.len() }>(&OWN, &HTTP);

#[derive(Debug, Clone)]
pub struct ServiceBackend {
    pub service: &'static Service,
    /// The options that are set.
    pub options: Vec<(&'static str, Given)>,
    pub root: String,
    pub hosts: Vec<(String, Endpoint)>,
    pub rate: Option<usize>,
    pub http: Http,
}

impl PartialEq for ServiceBackend {
    fn eq(&self, other: &Self) -> bool {
        self.service.name == other.service.name
            && self.options == other.options
            && self.rest() == other.rest()
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    Plain(String),
    Secret(SecretSetting),
}

impl Given {
    pub fn text(&self) -> Secret {
        match self {
            Self::Plain(text) => Secret::new(text.as_str()),
            Self::Secret(setting) => setting.secret.clone(),
        }
    }
}

/// Other addresses for hosts: `api.example.com=http://127.0.0.1:8080`
#[derive(Debug, Clone, PartialEq)]
struct HostsSetting(Vec<(String, Endpoint)>);

impl Setting for HostsSetting {
    const KIND: &'static str = "HOST=URL, or a list of such";

    fn parse(node: &Node, _: &Context<'_>) -> Result<Self, String> {
        let texts: Vec<&str> = match &node.raw {
            Raw::Text(text) => text.split(',').map(str::trim).collect(),
            Raw::List(items) => {
                let texts = items.iter().map(|item| {
                    if let Raw::Text(text) = &item.raw { Ok(text.as_str()) } else { refuse::<Self, _>(node) }
                });
                texts.collect::<Result<_, _>>()?
            }
            _ => return refuse::<Self, _>(node),
        };
        let pair = |text: &str| {
            let (host, url) = text.split_once('=')?;
            Some((host.trim().to_owned(), Endpoint::parse(url.trim())?)).filter(|(host, _)| !host.is_empty())
        };
        // A URL may hold a password, so errors do not repeat it.
        texts
            .into_iter()
            .map(pair)
            .collect::<Option<_>>()
            .map(Self)
            .ok_or_else(|| format!("must be {}", Self::KIND))
    }

    fn show(&self) -> Option<String> {
        let texts: Vec<String> = self.0.iter().map(|(host, url)| quote(&format!("{host}={url}"))).collect();
        (!texts.is_empty()).then(|| format!("[{}]", texts.join(", ")))
    }

    fn absent() -> Option<Self> {
        Some(Self(Vec::new()))
    }
}

fn row(option: &ServiceOption) -> Row {
    let kind = if option.is_secret { SecretSetting::KIND } else { String::KIND };
    Row {
        name: option.name,
        kind,
        fallback: if option.is_required { Required } else { Unset("none") },
        help: option.help,
    }
}

/// Returns all keys of a service.
pub(super) fn rows(service: &Service) -> Vec<Row> {
    service.options.iter().map(row).chain(COMMON.iter().copied()).collect()
}

/// Returns whether an option of this name is secret in any service.
pub(super) fn holds_secret(key: &str) -> bool {
    services().any(|service| service.options.iter().any(|option| option.name == key && option.is_secret))
}

impl ServiceBackend {
    pub(super) fn read(service: &'static Service, reader: &mut Reader<'_>) -> Result<Self, ConfigErrors> {
        if !service.is_built {
            let text = format!(
                "backend type '{0}' is not part of this build: it needs the cargo feature 'service-{0}'",
                service.name
            );
            return Err(reader.error(text).into());
        }
        let mut wrong = reader.unknown(&rows(service));
        let mut options = Vec::new();
        for option in service.options {
            let given = match (option.is_secret, option.is_required) {
                (true, true) => wrong.note(reader.field(option.name, Required)).map(Given::Secret),
                (true, false) => wrong
                    .note(reader.field::<Option<SecretSetting>>(option.name, Unset("")))
                    .flatten()
                    .map(Given::Secret),
                (false, true) => wrong.note(reader.field(option.name, Required)).map(Given::Plain),
                (false, false) => wrong
                    .note(reader.field::<Option<String>>(option.name, Unset("")))
                    .flatten()
                    .map(Given::Plain),
            };
            options.extend(given.map(|given| (option.name, given)));
        }
        let [root, hosts, rate] = &OWN;
        let (root, hosts) = (wrong.note(reader.row(root)), wrong.note(reader.row::<HostsSetting>(hosts)));
        let (rate, http) = (wrong.note(reader.row(rate)), wrong.note(Http::read(reader, &HTTP)));
        let (Some(root), Some(HostsSetting(hosts)), Some(rate), Some(http)) = (root, hosts, rate, http)
        else {
            return Err(wrong);
        };
        wrong.or(Self { service, options, root, hosts, rate, http })
    }

    fn rest(&self) -> Vec<(&'static str, Option<String>)> {
        let own = vec![
            ("root", self.root.show()),
            ("hosts", HostsSetting(self.hosts.clone()).show()),
            ("rate", self.rate.show()),
        ];
        [own, self.http.show()].concat()
    }

    pub(super) fn show(&self) -> Vec<(&'static str, Option<String>)> {
        let options = self.options.iter().map(|(name, given)| match given {
            Given::Plain(text) => (*name, text.show()),
            Given::Secret(secret) => (*name, secret.show()),
        });
        options.chain(self.rest()).collect()
    }

    pub(super) fn changed(&self, other: &Self) -> Vec<&'static str> {
        if self.service.name != other.service.name {
            return vec!["type"];
        }
        let given = |backend: &'_ Self, name: &str| {
            backend.options.iter().find(|(option, _)| *option == name).map(|(_, given)| given.clone())
        };
        let options = self
            .service
            .options
            .iter()
            .map(|option| option.name)
            .filter(|name| given(self, name) != given(other, name));
        let rest = self
            .rest()
            .into_iter()
            .zip(other.rest())
            .filter(|(own, other)| own != other)
            .map(|((name, _), _)| name);
        options.chain(rest).collect()
    }

    /// Returns for example `b2 my-bucket/objects`.
    pub(super) fn address(&self) -> String {
        let plain = |name: &str| {
            self.options.iter().find_map(|(option, given)| match given {
                Given::Plain(text) if *option == name => Some(text.as_str()),
                _ => None,
            })
        };
        let names =
            ["endpoint", "bucket", "container", "filesystem", "share_name", "repo_name", "owner", "repo"];
        let places = names
            .into_iter()
            .filter_map(plain)
            .chain([self.root.trim_matches('/')])
            .filter(|place| !place.is_empty());
        places.fold(self.service.name.to_owned(), |text, place| {
            let between = if text == self.service.name { " " } else { "/" };
            format!("{text}{between}{}", place.trim_end_matches('/'))
        })
    }
}
