//! Decimal numbers, compared exactly: a 64-bit float would take two sizes near 2^53 for one.

const FRACTION_DIGITS: usize = 9;
const INTEGER_DIGITS: usize = 25;

/// The number in units of 10^-9.
pub(crate) fn parse(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (integer, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |text: &str, most: usize| text.len() <= most && text.bytes().all(|b| b.is_ascii_digit());
    let has_fraction = digits.contains('.');
    if !is_digits(integer, INTEGER_DIGITS)
        || !is_digits(fraction, FRACTION_DIGITS)
        || integer.is_empty()
        || (has_fraction && fraction.is_empty())
    {
        return None;
    }
    let mut value: i128 = 0;
    for digit in integer.bytes().chain(format!("{fraction:0<FRACTION_DIGITS$}").bytes()) {
        value = value * 10 + i128::from(digit - b'0');
    }
    Some(if negative { -value } else { value })
}
