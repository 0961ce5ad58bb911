//! The closed set of operations, and the columns of the table in `operations`.
//!
//! Owns the vocabulary of the table. Routing (`routing`), authorization (`gate`), dispatch (`service`), the
//! check of headers (`headers`), the reference and the tests read it, and know nothing else about single
//! operations.

use super::{action::Action, operations::each_operation};
use std::fmt;

/// The scope of an operation: the service, a bucket, or an object in a bucket. On the control plane it is an
/// account, or a resource of the account, which is a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Service,
    Bucket,
    Object,
    Account,
    Resource,
}

impl Scope {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Bucket => "bucket",
            Self::Object => "object",
            Self::Account => "account",
            Self::Resource => "resource",
        }
    }
}

/// The methods that S3 has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::upper_case_acronyms)] // HTTP writes them so.
pub enum Verb {
    GET,
    HEAD,
    PUT,
    POST,
    DELETE,
}

impl Verb {
    pub fn of(method: &http::Method) -> Option<Self> {
        match *method {
            http::Method::GET => Some(Self::GET),
            http::Method::HEAD => Some(Self::HEAD),
            http::Method::PUT => Some(Self::PUT),
            http::Method::POST => Some(Self::POST),
            http::Method::DELETE => Some(Self::DELETE),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::GET => "GET",
            Self::HEAD => "HEAD",
            Self::PUT => "PUT",
            Self::POST => "POST",
            Self::DELETE => "DELETE",
        }
    }

    /// RFC 9110, section 9.2.1: such a request changes nothing.
    pub fn is_safe(self) -> bool {
        matches!(self, Self::GET | Self::HEAD)
    }
}

/// The beginning of all paths of the control plane: the version of its API.
pub(super) const CONTROL: &str = "/v20180820/";

/// What besides the method and the scope shows that a request is for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// This parameter: a sub-resource, or what only this operation has.
    Query(&'static str),
    /// Either of two parameters.
    Either(&'static str, &'static str),
    /// A parameter with this value.
    Value(&'static str, &'static str),
    /// A header.
    Header(&'static str),
    /// A path of the control plane.
    Path(&'static str),
    /// The beginning of a path of the control plane, which a resource follows.
    Under(&'static str),
}

impl Mark {
    /// The parameters that it looks at.
    pub fn parameters(self) -> impl Iterator<Item = &'static str> {
        let (first, second) = match self {
            Self::Query(name) | Self::Value(name, _) => (Some(name), None),
            Self::Either(name, other) => (Some(name), Some(other)),
            Self::Header(_) | Self::Path(_) | Self::Under(_) => (None, None),
        };
        first.into_iter().chain(second)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(name) => write!(f, "?{name}"),
            Self::Either(name, other) => write!(f, "?{name} or ?{other}"),
            Self::Value(name, value) => write!(f, "?{name}={value}"),
            Self::Header(name) => f.write_str(name),
            Self::Path(path) => write!(f, "{}{path}", CONTROL),
            Self::Under(path) => write!(f, "{}{path}ARN", CONTROL),
        }
    }
}

/// The resource of a need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Service,
    /// The account that the request names.
    Account,
    /// The bucket that is to be made.
    NewBucket,
    Bucket,
    Object,
    /// The object whose new tags the body has. The operation asks again when it knows them.
    Tagged,
    /// Each key that the body names. The operation asks about each.
    EachKey,
    /// The object that a copy reads.
    Source,
}

impl On {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "the service",
            Self::Account => "the account",
            Self::NewBucket => "the new bucket",
            Self::Bucket => "the bucket",
            Self::Object | Self::Tagged => "the object",
            Self::EachKey => "each key",
            Self::Source => "the source",
        }
    }
}

/// An action that a request must be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    pub action: Action,
    pub on: On,
}

/// An action that a request must be allowed as well if it has a header, on what the first need is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Also {
    pub action: Action,
    /// A name, or the beginning of names if it ends with `-`.
    pub header: &'static str,
    /// The value of the header that asks for nothing.
    pub unless: Option<&'static str>,
}

/// The storage promise on which the conditions of a writing operation rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conditions {
    /// There are none: a condition that comes with the request is refused.
    Unknown,
    OnWrite,
    OnComplete,
    OnDelete,
}

/// Whether there is a handler, and if not, what the answer 501 says is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    Served,
    /// `None`: the sub-resource that names the operation.
    Refused(Option<&'static str>),
}

/// A row of the table.
#[derive(Debug)]
pub struct Facts {
    pub operation: Operation,
    pub verb: Verb,
    pub scope: Scope,
    pub named: &'static [Mark],
    /// The parameters that it knows, besides those that name it.
    pub takes: &'static [&'static str],
    pub needs: &'static [Need],
    pub also: &'static [Also],
    pub conditions: Conditions,
    pub support: Support,
}

impl Facts {
    pub fn is_served(&self) -> bool {
        self.support == Support::Served
    }

    /// Whether the operation knows a parameter.
    pub fn knows(&self, parameter: &str) -> bool {
        self.takes.contains(&parameter)
            || self.named.iter().any(|mark| mark.parameters().any(|name| name == parameter))
    }
}

macro_rules! operations {
    ($($name:ident {
        $verb:ident $scope:ident
        $(named [$($mark:ident($($words:literal),+)),+])? $(takes [$($taken:literal),+])?
        needs [$($action:ident on $on:ident),+]
        $(also [$($further:ident with $header:literal $(unless $harmless:literal)?),+])?
        $(conditions $conditions:ident)?
    } => $kind:ident $($handler:ident)? $($refusal:literal)?;)+) => {
        /// An operation of S3, by its name in the API reference, in logs and in metrics.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Operation { $($name),+ }

        impl Operation {
            pub const ALL: &'static [Operation] = &[$(Operation::$name),+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }
        }

        static TABLE: [Facts; Operation::ALL.len()] = [$(Facts {
            operation: Operation::$name,
            verb: Verb::$verb,
            scope: Scope::$scope,
            named: &[$($(Mark::$mark($($words),+)),+)?],
            takes: &[$($($taken),+)?],
            needs: &[$(Need { action: Action::$action, on: On::$on }),+],
            also: &[$($(Also {
                action: Action::$further,
                header: $header,
                unless: operations!(@unless $($harmless)?),
            }),+)?],
            conditions: operations!(@conditions $($conditions)?),
            support: operations!(@$kind $($refusal)?),
        }),+];
    };
    (@unless) => { None };
    (@unless $harmless:literal) => { Some($harmless) };
    (@conditions) => { Conditions::Unknown };
    (@conditions $conditions:ident) => { Conditions::$conditions };
    (@refused) => { Support::Refused(None) };
    (@refused $words:literal) => { Support::Refused(Some($words)) };
    // Each kind of handler.
    (@$kind:ident) => { Support::Served };
}

each_operation!(operations {});

impl Operation {
    pub fn facts(self) -> &'static Facts {
        &TABLE[self as usize]
    }
}
