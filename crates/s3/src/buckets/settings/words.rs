//! Settings that are one word of a few: who pays for requests, whether transfer acceleration and access by
//! tags are on.
//!
//! Owns the words, as S3 writes them; they are stored so.

use super::DocumentKind;

macro_rules! words {
    ($(
        $(#[doc = $about:literal])+
        $kind:ident $name:literal: $value:ident { $($(#[$meta:meta])* $word:ident),+ $(,)? }
    )+) => {$(
        $(#[doc = $about])+
        #[derive(Debug)]
        pub enum $kind {}

        $(#[doc = $about])+
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub enum $value { $($(#[$meta])* $word),+ }

        impl $value {
            const ALL: &'static [Self] = &[$(Self::$word),+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$word => stringify!($word)),+ }
            }

            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }
        }

        impl DocumentKind for $kind {
            type Value = $value;
            const NAME: &'static str = $name;

            fn parse(body: &str) -> Result<$value, String> {
                $value::parse(body).ok_or_else(|| format!("'{body}' is none of its words"))
            }

            fn write(value: &$value) -> String {
                value.as_str().to_owned()
            }
        }
    )+};
}

words! {
    /// Who pays for requests to the bucket.
    RequestPayment "request-payment": Payer {
        #[default]
        BucketOwner,
        Requester,
    }
    /// Transfer acceleration.
    Acceleration "accelerate": Accelerate {
        /// It was never set.
        #[default]
        Unset,
        Enabled,
        Suspended,
    }
    /// Access control by tags of the bucket.
    Abac "abac": AbacStatus {
        #[default]
        Disabled,
        Enabled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        for payer in [Payer::BucketOwner, Payer::Requester] {
            assert_eq!(RequestPayment::parse(&RequestPayment::write(&payer)), Ok(payer));
        }
        assert_eq!(Acceleration::parse("Suspended"), Ok(Accelerate::Suspended));
        assert_eq!(Abac::parse("enabled"), Err("'enabled' is none of its words".to_owned()));
        assert_eq!((Payer::default(), AbacStatus::default()), (Payer::BucketOwner, AbacStatus::Disabled));
    }
}
