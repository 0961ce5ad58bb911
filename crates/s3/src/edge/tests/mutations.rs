//! Property tests against the AWS SDK's signer: whatever it signs is accepted, and no single part of it can
//! change.

use super::*;
use proptest::{prelude::*, sample::Index};
use std::collections::BTreeMap;

/// A request with the names it was made of, not yet signed.
fn drafts() -> impl Strategy<Value = Draft> {
    let method = prop_oneof![Just("GET"), Just("PUT"), Just("HEAD"), Just("DELETE"), Just("POST")];
    let key = prop::collection::vec(any::<char>(), 1..20).prop_map(String::from_iter);
    let text = || prop::collection::vec(any::<char>(), 0..8).prop_map(String::from_iter);
    // A prefix of its own keeps clear of the names that mean something to authentication.
    let query = prop::collection::vec((text().prop_map(|name| format!("q{name}")), text()), 0..5);
    let header = ("x-amz-meta-[a-z0-9-]{0,6}", "[ -~]{0,16}");
    let headers = prop::collection::vec(header, 0..5);
    (method, key, query, headers).prop_map(|(method, key, query, headers)| {
        const PATH: &AsciiSet = &UNRESERVED.remove(b'/');
        let encode = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
        // Each name once: others are refused.
        let query: BTreeMap<String, String> = query.into_iter().collect();
        let query: Vec<_> =
            query.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        let mut draft = Draft::new(method, "/");
        draft.path = format!("/bucket/{}", utf8_percent_encode(&key, PATH));
        draft.query = query.join("&");
        draft.headers = headers;
        draft.header("content-length", "0")
    })
}

fn signers() -> impl Strategy<Value = Signer> {
    let secret = "[ -~]{1,40}";
    let region = "[a-z0-9-]{1,12}";
    (secret, region, -900i64..=900, prop::option::of(901u64..=604_800)).prop_map(
        |(secret, region, offset, expires)| Signer {
            secret,
            region,
            at: UNIX_EPOCH + Duration::from_secs(NOW.saturating_add_signed(offset)),
            expires,
            ..Signer::default()
        },
    )
}

fn judge(signer: &Signer, draft: Draft) -> Result<Request, S3Error> {
    admit_to(&edge_for(ALICE, &signer.secret), draft.build(), now()).map_err(|refusal| refusal.error)
}

/// One change of one signed part. `None` if there is nothing of the kind to change.
fn mutate(kind: usize, at: Index, signer: &Signer, draft: &Draft) -> Option<Draft> {
    let mut draft = draft.clone();
    let presigned = signer.expires.is_some();
    match kind {
        0 => draft.method = if draft.method == "GET" { "PUT" } else { "GET" },
        1 => draft.path.push_str("%20"),
        2 => draft.path.push('/'),
        3 => draft.query.push_str("&added"),
        // Any digit or letter of the query, that of the signature included, keeping the query parseable.
        4 => {
            let places: Vec<_> = draft
                .query
                .char_indices()
                .filter(|(_, c)| matches!(c, 'a'..='y' | '0'..='8'))
                .map(|(i, _)| i)
                .collect();
            let place = *places.get(at.index(places.len().max(1)))?;
            let next = char::from(draft.query.as_bytes()[place] + 1);
            let before = super::super::encoding::parse_query(&draft.query).ok()?;
            draft.query.replace_range(place..=place, &next.to_string());
            // In the digits of an escape, a change of case only.
            if super::super::encoding::parse_query(&draft.query).is_ok_and(|after| after == before) {
                return None;
            }
        }
        5 => draft.headers.push(("x-amz-meta-added".to_owned(), String::new())),
        6 => {
            let signed: Vec<_> =
                (0..draft.headers.len()).filter(|i| draft.headers[*i].0.starts_with("x-amz-")).collect();
            let index = *signed.get(at.index(signed.len().max(1)))?;
            draft.headers[index].1.push('x');
        }
        7 => {
            let signed: Vec<_> =
                (0..draft.headers.len()).filter(|i| draft.headers[*i].0.starts_with("x-amz-")).collect();
            draft.headers.remove(*signed.get(at.index(signed.len().max(1)))?);
        }
        8 => draft.headers.push(("host".to_owned(), "other.example.com".to_owned())),
        9 if !presigned => {
            let header = draft.headers.iter_mut().find(|(name, _)| name == "authorization")?;
            // The last 64 are the signature.
            let place = header.1.len() - 64 + at.index(64);
            let digit = if header.1.as_bytes()[place] == b'0' { "1" } else { "0" };
            header.1.replace_range(place..=place, digit);
        }
        _ => return None,
    }
    Some(draft)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn what_the_sdk_signs_is_accepted(draft in drafts(), signer in signers()) {
        let key = percent_encoding::percent_decode_str(&draft.path).decode_utf8().expect("UTF-8")["/bucket/".len()..].to_owned();
        let request = judge(&signer, signer.sign(draft)).expect("admitted");
        prop_assert!(request.context.principal.identity().is_some());
        prop_assert_eq!(request.context.presigned, signer.expires.is_some());
        prop_assert_eq!(request.target.key, Some(key));
        prop_assert!(request.query.iter().all(|(name, _)| name.starts_with('q')));
    }

    #[test]
    fn another_spelling_of_the_same_address_is_the_same(draft in drafts(), signer in signers()) {
        let mut draft = signer.sign(draft);
        // Escapes in lower case, and letters escaped that need not be.
        draft.path = draft.path.split('%').enumerate().map(|(index, part)| match (index, part.get(..2)) {
            (0, _) | (_, None) => part.replace("buc", "%62%75c"),
            (_, Some(escape)) => format!("%{}{}", escape.to_ascii_lowercase(), &part[2..]),
        }).collect();
        prop_assert!(judge(&signer, draft).is_ok());
    }

    #[test]
    fn no_signed_part_can_change(draft in drafts(), signer in signers(), kind in 0usize..10, at in any::<Index>()) {
        let draft = signer.sign(draft);
        let Some(changed) = mutate(kind, at, &signer, &draft) else { return Ok(()) };
        prop_assert!(judge(&signer, changed).is_err(), "kind {}", kind);
    }
}
