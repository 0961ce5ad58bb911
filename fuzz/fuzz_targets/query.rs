//! Queries: a parsed query that is written and parsed again is the same.

#![no_main]

use causeway::edge::encoding::parse_query;
use libfuzzer_sys::fuzz_target;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

fuzz_target!(|raw: &str| {
    let Ok(pairs) = parse_query(raw) else { return };
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let written: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    assert_eq!(parse_query(&written.join("&")).expect("reads again"), pairs);
});
