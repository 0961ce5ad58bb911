//! The account of an owner, by the number that policies and ARNs name it by.
//!
//! Invariant: the id of an account depends on the canonical id of its owner alone and never changes, because
//! stored policies contain it.

use std::sync::Arc;

/// The number of account ids: they have 12 decimal digits.
const ACCOUNTS: u64 = 1_000_000_000_000;

/// The 12 digits by which ARNs and policies name the account of an owner.
pub fn account_id(canonical_id: &str) -> Arc<str> {
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    // Never change these words: stored policies name accounts by the result.
    hash.update(b"causeway account id\0");
    hash.update(canonical_id.as_bytes());
    let digest = hash.finish();
    let first = digest.as_ref().iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{:012}", first % ACCOUNTS).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_id_of_a_canonical_id_never_changes_and_has_12_digits() {
        let alice = "42b070121c479390d10922510347b0e7717760e241dc91d47a3947183cfb3a8c";
        assert_eq!(&*account_id(alice), "729073240738");
        for number in 0..1000 {
            let id = account_id(&number.to_string());
            assert!(id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit()), "{id}");
        }
    }
}
