//! The block of public access of a bucket. What is in force for it also depends on its account: see
//! [`Bucket::public_access`](crate::buckets::Bucket::public_access).

use super::DocumentKind;
use crate::model::PublicAccess;

#[derive(Debug)]
pub enum PublicAccessBlock {}

impl DocumentKind for PublicAccessBlock {
    type Value = Option<PublicAccess>;
    const NAME: &'static str = "public_access_block";

    fn parse(body: &str) -> Result<Self::Value, String> {
        PublicAccess::parse(body).map(Some)
    }

    fn write(access: &Self::Value) -> String {
        access.unwrap_or_default().text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_without_rules_is_stored_and_is_not_the_absence_of_one() {
        let none = Some(PublicAccess::default());
        assert_eq!(PublicAccessBlock::parse(&PublicAccessBlock::write(&none)), Ok(none));
        assert!(PublicAccessBlock::parse("").is_err());
    }
}
