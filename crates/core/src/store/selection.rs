//! The bytes of an object that a reader asks for. This module is pure; every driver resolves a [`Selection`]
//! with it.

use super::{
    Result, Selection,
    error::{StoreError, StoreErrorKind},
};
use crate::model::{ObjectInfo, ObjectPart, PartNumber, Span};

/// Resolves a selection. An empty object has no range: every `Range` is refused, as S3 does.
pub fn select(info: &ObjectInfo, selection: Selection) -> Result<Span> {
    match selection {
        Selection::Whole => Ok(Span::whole(info.size)),
        Selection::Range(range) => {
            range.resolve(info.size).ok_or_else(|| StoreErrorKind::InvalidRange { size: info.size }.into())
        }
        Selection::Part(number) => part_span(&info.parts, info.size, number),
    }
}

/// Returns the span of the part that was uploaded with this number. If the object has no parts, part 1 is the
/// whole object.
pub fn part_span(parts: &[ObjectPart], size: u64, number: PartNumber) -> Result<Span> {
    if parts.is_empty() && number.get() == 1 {
        return Ok(Span::whole(size));
    }
    let mut start = 0;
    for part in parts {
        let end = start + part.size;
        if part.number == number.get() {
            return Ok(Span { start, end });
        }
        start = end;
    }
    Err(StoreError::from(StoreErrorKind::InvalidPartNumber { parts: parts.len().max(1) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Attributes, ByteRange, ETag, Timestamp};
    use proptest::prelude::*;

    fn object(size: u64, parts: &[(u16, u64)]) -> ObjectInfo {
        ObjectInfo {
            size,
            etag: ETag::parse("e"),
            last_modified: Timestamp::from_millis(0),
            attributes: Attributes::default(),
            tag_count: 0,
            checksum: None,
            parts: parts.iter().map(|&(number, size)| ObjectPart { number, size, checksum: None }).collect(),
            version: None,
            notes: Default::default(),
        }
    }

    fn part(number: u16) -> Selection {
        Selection::Part(PartNumber::new(number).expect("a part number"))
    }

    fn spanned(info: &ObjectInfo, selection: Selection) -> std::result::Result<(u64, u64), StoreErrorKind> {
        select(info, selection).map(|span| (span.start, span.end)).map_err(|error| error.kind())
    }

    #[test]
    fn an_empty_object_is_whole_and_has_no_range() {
        let empty = object(0, &[]);
        assert_eq!(spanned(&empty, Selection::Whole), Ok((0, 0)));
        assert_eq!(spanned(&empty, part(1)), Ok((0, 0)));
        for range in [ByteRange::From(0), ByteRange::FromTo(0, 0), ByteRange::Suffix(1)] {
            assert_eq!(
                spanned(&empty, Selection::Range(range)),
                Err(StoreErrorKind::InvalidRange { size: 0 })
            );
        }
        assert_eq!(
            spanned(&object(7, &[]), Selection::Range(ByteRange::From(7))),
            Err(StoreErrorKind::InvalidRange { size: 7 })
        );
    }

    #[test]
    fn a_part_number_that_is_not_there_is_refused() {
        assert_eq!(spanned(&object(9, &[]), part(2)), Err(StoreErrorKind::InvalidPartNumber { parts: 1 }));
        assert_eq!(
            spanned(&object(9, &[(2, 5), (7, 4)]), part(1)),
            Err(StoreErrorKind::InvalidPartNumber { parts: 2 })
        );
        assert_eq!(spanned(&object(9, &[(2, 5), (7, 4)]), part(7)), Ok((5, 9)));
    }

    proptest! {
        #[test]
        fn the_parts_of_an_object_lie_end_to_end(sizes in prop::collection::vec(0u64..1000, 1..20)) {
            let parts: Vec<_> = (1..).zip(sizes.iter().copied()).collect();
            let info = object(sizes.iter().sum(), &parts);
            let mut end = 0;
            for (number, size) in parts {
                let span = select(&info, part(number)).expect("is there");
                prop_assert_eq!((span.start, span.len()), (end, size));
                end = span.end;
            }
            prop_assert_eq!(end, info.size);
        }
    }
}
