//! The common parameters of the multipart operations.

use super::{ErrorCode, Query, S3Error, xml::Writer};
use crate::model::{Checksum, MAX_PART_NUMBER, Owner, PartNumber, Principal, UploadId};

/// An id that Causeway would never have issued names no upload.
pub(super) fn upload_id(query: &Query) -> Result<UploadId, S3Error> {
    let Some(text) = query.get("uploadId") else {
        let number = query.get("partNumber").unwrap_or_default();
        return Err(S3Error::argument(
            "partNumber",
            number,
            "This operation does not accept partNumber without uploadId",
        ));
    };
    UploadId::parse(text).ok_or_else(|| ErrorCode::NoSuchUpload.into())
}

pub(super) fn part_number(query: &Query) -> Result<PartNumber, S3Error> {
    parse_part_number(query.get("partNumber").unwrap_or_default())
}

pub(super) fn parse_part_number(text: &str) -> Result<PartNumber, S3Error> {
    text.parse().ok().and_then(PartNumber::new).ok_or_else(|| {
        S3Error::argument(
            "partNumber",
            text,
            format!("Part number must be an integer between 1 and {MAX_PART_NUMBER}, inclusive"),
        )
    })
}

pub(super) fn initiator(principal: &Principal) -> Owner {
    match principal {
        Principal::Identity(identity) => identity.owner.clone(),
        Principal::Anonymous => Owner { id: "anonymous".into(), display_name: "anonymous".into() },
    }
}

pub(super) fn checksum(w: &mut Writer, checksum: Option<&Checksum>) {
    if let Some(checksum) = checksum {
        w.text(checksum.algorithm().element(), checksum.to_base64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_numbers_are_1_to_10000() {
        for (text, valid) in [
            ("1", true),
            ("10000", true),
            ("0", false),
            ("10001", false),
            ("-1", false),
            ("", false),
            ("1.0", false),
        ] {
            match parse_part_number(text) {
                Ok(number) => assert_eq!(number.get().to_string(), text),
                Err(error) => assert_eq!((error.code, valid), (ErrorCode::InvalidArgument, false), "{text}"),
            }
        }
    }

    #[test]
    fn an_id_that_cannot_be_ours_names_no_upload() {
        let read = |value: &str| {
            upload_id(&Query::new(vec![("uploadId".into(), value.into())])).map_err(|error| error.code)
        };
        assert!(read("abc-_123").is_ok());
        for text in ["", "a/b", "..", "a b"] {
            assert_eq!(read(text), Err(ErrorCode::NoSuchUpload), "{text}");
        }
        assert_eq!(upload_id(&Query::default()).expect_err("missing").code, ErrorCode::InvalidArgument);
    }
}
