//! Regions of buckets: a bucket's `LocationConstraint`, and its meaning in S3.
//!
//! A location moves no bytes here. It is stored because clients ask for it and sign with it.

use super::{ErrorCode, S3Error};
use crate::model::ObjectOwnership;

/// The parts of the configuration that S3 itself shows.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Answered by GetBucketLocation and HeadBucket where a bucket has no location of its own.
    pub region: String,
    /// Whether clients may sign for other regions, and so have buckets in them.
    pub any_region: bool,
    /// The object ownership of buckets that are made without one.
    pub object_ownership: ObjectOwnership,
}

/// The region that S3 writes as an empty location.
pub(super) const CLASSIC: &str = "us-east-1";

/// A `LocationConstraint` as clients write it: the name of a region, of S3 or of anyone else.
pub(super) fn parse(location: &str) -> Result<&str, S3Error> {
    let valid = location.len() <= 64
        && location.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if valid {
        Ok(location)
    } else {
        Err(S3Error::from(ErrorCode::InvalidLocationConstraint).detail("LocationConstraint", location))
    }
}

/// 400 where a bucket would be in a region that nobody may sign for.
pub(super) fn check(location: &str, settings: &Settings) -> Result<(), S3Error> {
    if settings.any_region || of(location, &settings.region) == settings.region {
        return Ok(());
    }
    let message = format!(
        "The {location} location constraint is incompatible for the region specific endpoint this request was sent to."
    );
    Err(S3Error::new(ErrorCode::IllegalLocationConstraintException, message))
}

/// The region that a bucket is in.
pub(super) fn of<'a>(location: &'a str, default: &'a str) -> &'a str {
    match location {
        "" => default,
        // The one location that is not the name of its region.
        "EU" => "eu-west-1",
        location => location,
    }
}

/// The location that GetBucketLocation returns.
pub(super) fn constraint<'a>(location: &'a str, default: &'a str) -> &'a str {
    match if location.is_empty() { default } else { location } {
        CLASSIC => "",
        location => location,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_shown_as_s3_shows_it() {
        for (location, default, region, shown) in [
            ("", "us-east-1", "us-east-1", ""),
            ("", "eu-north-1", "eu-north-1", "eu-north-1"),
            ("us-east-1", "eu-north-1", "us-east-1", ""),
            ("EU", "us-east-1", "eu-west-1", "EU"),
            ("garage", "us-east-1", "garage", "garage"),
        ] {
            assert_eq!(
                (of(location, default), constraint(location, default)),
                (region, shown),
                "{location} {default}"
            );
        }
    }

    #[test]
    fn a_bucket_is_in_a_region_that_clients_may_sign_for() {
        let refused = |location, any_region| {
            check(
                location,
                &Settings {
                    region: "eu-west-1".to_owned(),
                    any_region,
                    object_ownership: ObjectOwnership::ObjectWriter,
                },
            )
            .err()
        };
        for location in ["", "eu-west-1", "EU"] {
            assert!(refused(location, false).is_none(), "{location}");
        }
        assert_eq!(
            refused("eu-north-1", false).map(|error| error.code),
            Some(ErrorCode::IllegalLocationConstraintException)
        );
        assert!(refused("eu-north-1", true).is_none());
    }

    #[test]
    fn a_location_is_a_plain_word() {
        assert!(parse("eu-central-1").is_ok());
        assert!(parse("").is_ok());
        for location in ["a b", "a/b", "ä", "x\n", &"a".repeat(65)] {
            assert_eq!(parse(location).expect_err(location).code, ErrorCode::InvalidLocationConstraint);
        }
    }
}
