//! The regions that a request of SigV4A is signed for: a list with wildcards, in `x-amz-region-set`.

/// Whether a set has a region: `us-east-1`, `eu-*`, `*`, several with commas between them.
pub(super) fn admits(set: &str, region: &str) -> bool {
    set.split(',').any(|pattern| matches(pattern.trim().as_bytes(), region.as_bytes()))
}

/// Each `*` stands for any text. Takes time in proportion to the product of both lengths at most.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // The last `*`, and up to where it stands for the text.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match (pattern.get(p), star) {
            (Some(b'*'), _) => {
                star = Some((p, t));
                p += 1;
            }
            (Some(byte), _) if text.get(t) == Some(byte) => {
                p += 1;
                t += 1;
            }
            (_, Some((at, upto))) => {
                star = Some((at, upto + 1));
                p = at + 1;
                t = upto + 1;
            }
            (_, None) => return false,
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_a_list_of_regions_with_wildcards() {
        for set in
            ["eu-north-1", "*", "eu-*", "us-east-1,eu-north-1", "us-*, eu-*-1", "*north*", "e*u*1", "**"]
        {
            assert!(admits(set, "eu-north-1"), "{set}");
        }
        for set in
            ["", "eu-north", "us-*", "eu-north-1x", "*-2", "EU-NORTH-1", "eu north 1", ",", "eu-?orth-1"]
        {
            assert!(!admits(set, "eu-north-1"), "{set}");
        }
    }
}
