//! Which version a reply is about.

use crate::{model::VersionId, store::Deleted};
use http::{HeaderName, HeaderValue};

const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");
const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");

/// The version that a write made. Stores without versions say none.
pub(in crate::s3) fn version_header(version: Option<&VersionId>) -> Option<(HeaderName, HeaderValue)> {
    Some((VERSION_ID, HeaderValue::from_str(version?.as_str()).ok()?))
}

/// The outcome of a deletion, as far as S3 reports it: whether a delete marker is concerned, and which
/// version.
pub(in crate::s3) fn deletion_headers(deleted: &Deleted) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let marker = deleted.marker.then_some((DELETE_MARKER, HeaderValue::from_static("true")));
    marker.into_iter().chain(version_header(deleted.version.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Removal;
    use http::HeaderMap;

    fn shown(deleted: &Deleted) -> Vec<(String, String)> {
        let headers: HeaderMap = deletion_headers(deleted).collect();
        let text = |value: &HeaderValue| value.to_str().expect("a text").to_owned();
        headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
    }

    #[test]
    fn a_deletion_without_versions_shows_nothing_of_them() {
        for removal in [Removal::Removed, Removal::Absent, Removal::Unknown] {
            assert_eq!(shown(&removal.into()), []);
        }
    }

    #[test]
    fn a_delete_marker_is_shown_with_its_version() {
        let deleted = Deleted { removal: Removal::Absent, marker: true, version: VersionId::parse("v2") };
        let expected = [("x-amz-delete-marker", "true"), ("x-amz-version-id", "v2")];
        assert_eq!(shown(&deleted), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
