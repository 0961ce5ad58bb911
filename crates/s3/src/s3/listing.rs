//! The common parts of listings: their parameters, `encoding-type`, continuation tokens, and the form of an
//! entry.

use super::{
    Response,
    error::S3Error,
    headers,
    request::Query,
    xml::{self, Writer},
};
use crate::{
    access::AccountIds,
    buckets::Bucket,
    model::{CacheUse, CanonicalId, ChecksumSpec, Notes, Owner, StorageClass},
    s3::{
        Action, BucketCall, acl,
        asker::Asker,
        gate::{Decision, decide},
        object_owner,
        resource::Resource,
    },
    store::{ListEntry, ListedObject},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::borrow::Cow;

/// The most that one page of anything holds.
const MAX_PAGE: i32 = 1000;

/// The format of our continuation tokens, their first byte: a name that the next page is above follows it.
const TOKEN_VERSION: u8 = 1;

/// The characters that `encoding-type=url` leaves as they are. S3 writes a blank as `+`, which clients read
/// alike; `%20` needs no rule.
const VERBATIM: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// How names are written in a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    Url,
}

impl Encoding {
    fn read(query: &Query) -> Result<Self, S3Error> {
        match query.get("encoding-type") {
            None | Some("") => Ok(Self::Plain),
            Some("url") => Ok(Self::Url),
            Some(other) => {
                Err(S3Error::argument("encoding-type", other, "Invalid Encoding Method specified in Request"))
            }
        }
    }

    pub(super) fn name(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Plain => text.into(),
            Self::Url => utf8_percent_encode(text, VERBATIM).into(),
        }
    }
}

/// The parameters of a listing by names.
#[derive(Debug)]
pub(super) struct ListParameters<'q> {
    pub(super) prefix: &'q str,
    /// Never empty: S3 takes an empty delimiter for none.
    pub(super) delimiter: Option<&'q str>,
    pub(super) limit: usize,
    pub(super) encoding: Encoding,
}

impl<'q> ListParameters<'q> {
    /// `limit` is the parameter that bounds the page: `max-keys`, `max-uploads`.
    pub(super) fn read(query: &'q Query, limit: &'static str) -> Result<Self, S3Error> {
        Ok(Self {
            prefix: query.get("prefix").unwrap_or_default(),
            delimiter: query.get("delimiter").filter(|delimiter| !delimiter.is_empty()),
            limit: self::limit(query, limit)?,
            encoding: Encoding::read(query)?,
        })
    }

    /// The elements that repeat the request, and whether there is more.
    pub(super) fn describe(&self, w: &mut Writer, limit: &str, truncated: bool) {
        w.text("Prefix", self.encoding.name(self.prefix));
        if let Some(delimiter) = self.delimiter {
            w.text("Delimiter", self.encoding.name(delimiter));
        }
        w.number(limit, self.limit as u64);
        if self.encoding == Encoding::Url {
            w.text("EncodingType", "url");
        }
        w.boolean("IsTruncated", truncated);
    }

    pub(super) fn common_prefixes<'e>(&self, w: &mut Writer, prefixes: impl Iterator<Item = &'e str>) {
        for prefix in prefixes {
            w.verbatim("<CommonPrefixes><Prefix>");
            w.content(self.encoding.name(prefix));
            w.verbatim("</Prefix></CommonPrefixes>");
        }
    }
}

/// A page size, cut to what a page holds.
pub(super) fn limit(query: &Query, name: &'static str) -> Result<usize, S3Error> {
    let Some(text) = query.get(name).filter(|text| !text.is_empty()) else { return Ok(MAX_PAGE as usize) };
    let limit: i32 = text.parse().map_err(|_| {
        S3Error::argument(name, text, format!("Provided {name} not an integer or within integer range"))
    })?;
    usize::try_from(limit.min(MAX_PAGE)).map_err(|_| {
        S3Error::argument(
            name,
            text,
            format!("Argument {name} must be an integer between 0 and {}", i32::MAX),
        )
    })
}

/// The token of the page above `name`. It holds nothing else: what changes in between is simply seen or not.
pub(super) fn token(name: &str) -> String {
    let mut bytes = Vec::with_capacity(1 + name.len());
    bytes.push(TOKEN_VERSION);
    bytes.extend_from_slice(name.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The name in a token. An empty one starts from the beginning.
pub(super) fn read_token(token: &str) -> Result<Option<String>, S3Error> {
    if token.is_empty() {
        return Ok(None);
    }
    let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| match bytes.split_first() {
        Some((&TOKEN_VERSION, name)) => String::from_utf8(name.to_vec()).ok(),
        _ => None,
    });
    name.map(Some).ok_or_else(|| {
        S3Error::argument("continuation-token", token, "The continuation token provided is incorrect")
    })
}

/// The objects of a page, without its common prefixes.
pub(super) fn objects(entries: &[ListEntry]) -> impl Iterator<Item = &ListedObject> {
    entries.iter().filter_map(|entry| match entry {
        ListEntry::Object(object) => Some(object),
        ListEntry::CommonPrefix(_) => None,
    })
}

pub(super) fn prefixes(entries: &[ListEntry]) -> impl Iterator<Item = &str> {
    entries.iter().filter_map(|entry| match entry {
        ListEntry::Object(_) => None,
        ListEntry::CommonPrefix(prefix) => Some(prefix.as_str()),
    })
}

/// The owners of objects, as a listing shows them.
#[derive(Debug)]
pub(super) struct ShownOwners<'b> {
    bucket: &'b Bucket,
    accounts: &'b dyn AccountIds,
    by_name: bool,
    /// The owner of the bucket, who owns nearly all objects in it.
    usual: Writer,
}

impl<'b> ShownOwners<'b> {
    /// Shows names only to an identity that may read the bucket's ACL, which contains them too.
    pub(super) fn of(call: &'b BucketCall, accounts: &'b dyn AccountIds) -> Self {
        let decision =
            decide(&Asker::of(&call.request), Action::GetBucketAcl, Resource::Bucket(&call.bucket));
        let is_identity = call.request.context.principal.identity().is_some();
        let by_name = is_identity && decision == Decision::Allow;
        let mut owners = Self { bucket: &call.bucket, accounts, by_name, usual: Writer::fragment() };
        let mut usual = Writer::fragment();
        owners.write_as(&mut usual, "Owner", call.bucket.owner());
        owners.usual = usual;
        owners
    }

    /// The owner of an object or of an upload.
    pub(super) fn write(&self, w: &mut Writer, stored: Option<&CanonicalId>) {
        match stored {
            None => w.insert(&self.usual),
            Some(_) => self.write_as(w, "Owner", &object_owner::shown(stored, self.bucket, self.accounts)),
        }
    }

    pub(super) fn write_as(&self, w: &mut Writer, element: &str, account: &Owner) {
        let identify = if self.by_name { acl::identify } else { acl::identify_to_others };
        w.element(element, |w| identify(w, account));
    }
}

/// About as many bytes as the elements of these entries take.
pub(super) fn size(entries: &[ListEntry], owners: Option<&ShownOwners<'_>>) -> usize {
    /// An object without key and owner, with a checksum.
    const OBJECT: usize = 300;
    const PREFIX: usize = 64;
    let owner = owners.map_or(0, |owners| owners.usual.size());
    let size = |entry: &ListEntry| match entry {
        ListEntry::Object(object) => OBJECT + object.key.as_str().len() + owner,
        ListEntry::CommonPrefix(prefix) => PREFIX + prefix.len(),
    };
    entries.iter().map(size).sum()
}

/// Writes objects as `Contents`.
pub(super) fn contents(
    w: &mut Writer,
    entries: &[ListEntry],
    encoding: Encoding,
    owners: Option<&ShownOwners<'_>>,
) {
    for object in objects(entries) {
        w.verbatim("<Contents><Key>");
        w.content(encoding.name(object.key.as_str()));
        w.verbatim("</Key>");
        properties(w, object, owners);
        w.verbatim("</Contents>");
    }
}

/// The elements of `Contents` and `Version` behind the key. A page has a thousand of them, so tags that follow
/// each other are one text, and what has nothing to be escaped is not looked through.
pub(super) fn properties(w: &mut Writer, object: &ListedObject, owners: Option<&ShownOwners<'_>>) {
    w.verbatim("<LastModified>");
    w.plain(|text| object.last_modified.write_iso8601(text));
    w.verbatim("</LastModified><ETag>&quot;");
    w.content(object.etag.as_str());
    w.verbatim("&quot;</ETag>");
    if let Some(spec) = object.checksum {
        checksum_spec(w, spec);
    }
    w.verbatim("<Size>");
    w.decimal(object.size);
    w.verbatim("</Size>");
    if let Some(owners) = owners {
        owners.write(w, object.owner.as_ref());
    }
    w.verbatim("<StorageClass>");
    w.verbatim(StorageClass::shown(object.storage_class));
    w.verbatim("</StorageClass>");
}

pub(super) fn checksum_spec(w: &mut xml::Writer, spec: ChecksumSpec) {
    w.text("ChecksumAlgorithm", spec.algorithm.as_str());
    w.text("ChecksumType", spec.kind.as_str());
}

/// The reply, with a note on how its page was obtained.
pub(super) fn noted(mut reply: Response, cache: Option<CacheUse>) -> Response {
    reply.headers_mut().extend(headers::notes(&Notes { cache, ..Default::default() }));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::ErrorCode;
    use proptest::prelude::*;

    fn query(pairs: &[(&str, &str)]) -> Query {
        Query::new(pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
    }

    proptest! {
        #[test]
        fn a_token_names_what_it_was_made_from(name in "\\PC{1,40}|[\\x00-\\x1f/]{1,8}") {
            prop_assert_eq!(read_token(&token(&name)).expect("ours"), Some(name));
        }

        #[test]
        fn any_text_is_a_token_or_an_invalid_argument(text in "[A-Za-z0-9_+/=-]{1,40}|\\PC{1,10}") {
            match read_token(&text) {
                Ok(name) => prop_assert_eq!(token(&name.expect("not empty")), text),
                Err(error) => {
                    prop_assert_eq!(error.code, ErrorCode::InvalidArgument);
                    prop_assert_eq!(error.message, "The continuation token provided is incorrect");
                }
            }
        }

        #[test]
        fn an_encoded_name_is_plain_ascii_and_decodes_to_itself(name in "\\PC{0,40}|[\\x00-\\x7f]{0,40}") {
            let encoded = Encoding::Url.name(&name);
            prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~/%".contains(&b)));
            prop_assert_eq!(percent_encoding::percent_decode_str(&encoded).decode_utf8().expect("UTF-8"), name.as_str());
            prop_assert_eq!(Encoding::Plain.name(&name), name.as_str());
        }

        #[test]
        fn any_page_size_that_s3_takes_is_cut_to_a_thousand(asked in any::<i32>()) {
            let limit = limit(&query(&[("max-keys", &asked.to_string())]), "max-keys");
            match usize::try_from(asked) {
                Ok(asked) => prop_assert_eq!(limit.expect("a number"), asked.min(1000)),
                Err(_) => prop_assert_eq!(limit.map_err(|error| error.code).err(), Some(ErrorCode::InvalidArgument)),
            }
        }
    }

    #[test]
    fn an_empty_token_starts_from_the_beginning() {
        assert_eq!(read_token("").expect("accepted"), None);
    }

    #[test]
    fn names_are_encoded_as_the_conformance_suites_expect() {
        assert_eq!(Encoding::Url.name("quux ab/asdf+b\n"), "quux%20ab/asdf%2Bb%0A");
    }

    #[test]
    fn parameters_have_the_defaults_of_s3() {
        let empty = query(&[("delimiter", ""), ("max-keys", ""), ("encoding-type", "")]);
        for query in [query(&[]), empty] {
            let page = ListParameters::read(&query, "max-keys").expect("defaults");
            assert_eq!(
                (page.prefix, page.delimiter, page.limit, page.encoding),
                ("", None, 1000, Encoding::Plain)
            );
        }
    }

    #[test]
    fn parameters_that_s3_refuses_are_invalid_arguments() {
        for (name, value) in [
            ("max-keys", "blah"),
            ("max-keys", "-1"),
            ("max-keys", "2147483648"),
            ("max-keys", "1.5"),
            ("encoding-type", "URL"),
        ] {
            let error = ListParameters::read(&query(&[(name, value)]), "max-keys").expect_err(value);
            assert_eq!(error.code, ErrorCode::InvalidArgument, "{name}={value}");
            assert!(error.details.contains(&("ArgumentName", name.to_owned())));
        }
    }
}
