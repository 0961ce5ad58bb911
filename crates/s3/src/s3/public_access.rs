//! The document of a block of public access, both ways: of a bucket, and of an account.

use super::{ErrorCode, S3Error, xml};
use crate::model::PublicAccess;

pub(super) const MAX_DOCUMENT: usize = 16 * 1024;
pub(super) const ROOT: &str = "PublicAccessBlockConfiguration";

/// A rule that the document does not name is off.
pub(super) fn read(body: &[u8]) -> Result<PublicAccess, S3Error> {
    let document = xml::parse(body, ROOT)?;
    let mut access = PublicAccess::default();
    for child in &document.children {
        let rule = access.rule_mut(&child.name).ok_or(ErrorCode::MalformedXML)?;
        *rule = match child.text.trim() {
            text if text.eq_ignore_ascii_case("true") => true,
            text if text.eq_ignore_ascii_case("false") => false,
            _ => return Err(ErrorCode::MalformedXML.into()),
        };
    }
    Ok(access)
}

/// The content of the document.
pub(super) fn write(w: &mut xml::Writer, access: PublicAccess) {
    for (rule, is_on) in access.rules() {
        w.boolean(rule, is_on);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(rules: &str) -> Result<PublicAccess, ErrorCode> {
        let document = format!("<{ROOT}>{rules}</{ROOT}>");
        read(document.as_bytes()).map_err(|error| error.code)
    }

    #[test]
    fn a_rule_that_is_not_named_is_off() {
        assert_eq!(parsed(""), Ok(PublicAccess::default()));
        let wanted = PublicAccess { block_public_policy: true, ..PublicAccess::default() };
        let rules = "<BlockPublicPolicy>TRUE</BlockPublicPolicy><BlockPublicAcls>false</BlockPublicAcls>";
        assert_eq!(parsed(rules), Ok(wanted));
    }

    #[test]
    fn a_rule_that_is_not_understood_is_refused() {
        for rules in ["<BlockAll>true</BlockAll>", "<BlockPublicAcls>yes</BlockPublicAcls>"] {
            assert_eq!(parsed(rules), Err(ErrorCode::MalformedXML), "{rules}");
        }
    }
}
