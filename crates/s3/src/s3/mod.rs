//! S3: from an authenticated request to a reply. One file per operation, each reading its own headers, query
//! and XML.
//!
//! Owns the closed set of operations, authorization (one table, one gate), S3's XML and its error codes.
//! Knows nothing of connections, signatures or storage technology.

mod abilities;
mod about;
mod acl;
mod acl_rules;
mod action;
mod asker;
mod body;
mod bucket_policy;
mod call;
mod condition_keys;
mod configurations;
mod context;
mod control;
mod copying;
mod cors;
mod cross_origin;
mod crossing;
mod decisions;
mod dispatch;
mod document;
mod error;
mod gate;
mod gateway;
mod grantee;
mod headers;
mod identification;
mod keep_alive;
mod limits;
mod listing;
mod multipart;
mod object_owner;
mod object_url;
mod operation;
mod operations;
mod payment;
mod preflight;
mod public_access;
mod reader;
mod reading;
mod recording;
mod reference;
mod region;
mod reply;
mod request;
mod resource;
mod rights;
mod routing;
mod service;
mod shape;
mod site;
mod spool;
mod tagging;
mod verdict;
mod website;
mod word;
mod writing;

mod ops;

pub use about::About;
pub use action::Action;
pub use body::{Body, Response};
pub use call::{AccountCall, BucketCall, ObjectCall, ReadCall, ServiceCall};
pub use context::{Arrival, Context, RequestId, Signature, SignatureVersion, TlsVersion};
pub use control::target as control_target;
pub use cross_origin::CrossOrigin;
pub use decisions::{Decisions, Explained};
pub use error::{ErrorCode, S3Error};
pub use limits::MAX_BODY;
pub use operation::{Also, Conditions, Facts, Mark, Need, On, Operation, Scope, Support, Verb};
pub use preflight::Preflight;
pub use reference::reference;
pub use region::Settings;
pub use request::{FormReply, FormStatus, HeaderMapExt, Query, Request, Target};
pub use routing::{RouteInput, route};
pub use service::Service;
pub use site::{Asked, Visit, error_page};
pub use spool::Spool;
pub use tagging::header as tagging_header;

use crate::xml;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Principal, Timestamp},
        store::payload::Payload,
    };
    use http::{HeaderMap, HeaderName, HeaderValue, Method};
    use std::net::Ipv4Addr;

    /// Nobody asks for nothing.
    pub(in crate::s3) fn context() -> Context {
        let arrival = Arrival {
            id: RequestId("test".into()),
            at: Timestamp::from_millis(0),
            peer: Ipv4Addr::LOCALHOST.into(),
            is_secure: false,
            tls: None,
        };
        Context {
            arrival,
            principal: Principal::Anonymous,
            presigned: false,
            signature: None,
            operation: None,
            gateway: None,
        }
    }

    /// A request that a row of the table names, and that says nothing more.
    pub(in crate::s3) fn request_for(facts: &Facts) -> Request {
        let mut pairs = Vec::new();
        let mut headers = Vec::new();
        for mark in facts.named {
            match *mark {
                Mark::Query(name) | Mark::Either(name, _) => pairs.push((name.to_owned(), String::new())),
                Mark::Value(name, value) => pairs.push((name.to_owned(), value.to_owned())),
                Mark::Header(name) => headers.push((name, "/bucket/key")),
                Mark::Path(_) | Mark::Under(_) => {}
            }
        }
        let control = facts.named.iter().find_map(|mark| match mark {
            Mark::Path(path) => Some((*path).to_owned()),
            Mark::Under(path) => Some(format!("{path}arn:aws:s3:::bucket")),
            _ => None,
        });
        let target = Target {
            bucket: (!matches!(facts.scope, Scope::Service | Scope::Account)).then(|| "bucket".to_owned()),
            key: (facts.scope == Scope::Object).then(|| "key".to_owned()),
            control,
        };
        Request {
            context: Context { operation: Some(facts.operation), ..context() },
            method: Method::from_bytes(facts.verb.as_str().as_bytes()).expect("a method"),
            target,
            query: Query::new(pairs),
            ..request(&headers)
        }
    }

    /// A request of which only the headers matter.
    pub(in crate::s3) fn request(headers: &[(&'static str, &str)]) -> Request {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
            map.append(HeaderName::try_from(*name).expect("a header name"), value);
        }
        Request {
            context: context(),
            method: Method::PUT,
            target: Target { bucket: Some("bucket".into()), key: Some("key".into()), control: None },
            query: Query::default(),
            headers: map,
            form: None,
            payload: Payload::from_bytes(""),
        }
    }
}
