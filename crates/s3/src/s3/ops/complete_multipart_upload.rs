//! CompleteMultipartUpload. The checksum headers speak of the object, not of this request's body.

use crate::{
    model::{Checksum, ChecksumAlgorithm, ChecksumKind, ETag, ObjectKey, UploadId},
    s3::{
        About, ErrorCode, HeaderMapExt, ObjectCall, Response, S3Error, Service,
        abilities::Abilities,
        document::{self, Entries},
        headers, keep_alive, multipart, object_url, reply, xml,
    },
    store::{CompletePart, CompleteUpload, Store, UploadInfo, error::StoreErrorKind, payload::Payload},
};
use http::HeaderMap;

/// 10,000 parts, each with an ETag and a checksum in the wordiest writing.
const MAX_LIST_BYTES: usize = 8 << 20;
/// The maximum length of an ETag. Those of storages are shorter.
const MAX_ETAG: usize = 1024;
/// SHA-512.
const MAX_CHECKSUM: usize = 64;

pub(in crate::s3) async fn handle(_service: &Service, call: ObjectCall) -> Result<Response, S3Error> {
    let ObjectCall { request, bucket, key, .. } = call;
    let (about, location) = (About::of(&request), object_url::of(&request, bucket.name().as_str(), &key));
    let upload = multipart::upload_id(&request.query)?;
    let conditions = headers::write_conditions(&request.headers)?;
    let (checksum, kind) = (checksum(&request.headers)?, kind(&request.headers)?);
    let size = size(&request.headers)?;
    // A request for an unknown upload need not send a list. For an upload that has ended, the store answers
    // without one.
    let (parts, held) = match begun(&**bucket.store(), &key, &upload).await? {
        Some(begun) => {
            if let Some(kind) = kind {
                check_kind(begun.checksum.kind, kind)?;
            }
            let Entries { items, held } = parts(request.payload).await?;
            if Abilities::of(&bucket).keeps_checksums() {
                check_digests(&begun, &items)?;
            }
            (items, held)
        }
        None => (Vec::new(), None),
    };
    let complete = CompleteUpload { parts, conditions, checksum, size };
    keep_alive::answer(about, async move {
        let _held = held;
        let written = bucket.store().complete_upload(&key, &upload, complete).await?;
        let mut response = reply::document("CompleteMultipartUploadResult", |w| {
            w.text("Location", &location);
            w.text("Bucket", bucket.name().as_str());
            w.text("Key", key.as_str());
            w.text("ETag", written.etag.quoted());
            if let Some(checksum) = &written.checksum {
                w.text(checksum.algorithm().element(), checksum.text());
                w.text("ChecksumType", checksum.kind.as_str());
            }
        });
        response.headers_mut().extend(headers::version_header(written.version.as_ref()));
        Ok(response)
    })
    .await
}

async fn parts(payload: Payload) -> Result<Entries<CompletePart>, S3Error> {
    let list = document::entries(
        payload,
        "CompleteMultipartUpload",
        MAX_LIST_BYTES,
        |child, parts: &[CompletePart]| {
            if child.name != "Part" {
                return Ok(None);
            }
            let part = part(&child)?;
            // More parts than there are numbers cannot be in order.
            if parts.last().is_some_and(|last| last.number >= part.number) {
                return Err(ErrorCode::InvalidPartOrder.into());
            }
            let size = size_of::<CompletePart>()
                + part.etag.as_str().len()
                + if part.checksum.is_some() { MAX_CHECKSUM } else { 0 };
            Ok(Some((part, size)))
        },
    );
    match list.await {
        Ok(list) if list.items.is_empty() => Err(ErrorCode::MalformedXML.into()),
        Err(error) if error.code == ErrorCode::MissingRequestBodyError => Err(ErrorCode::MalformedXML.into()),
        read => read,
    }
}

fn part(element: &xml::Element) -> Result<CompletePart, S3Error> {
    let number =
        multipart::parse_part_number(element.value("PartNumber").ok_or(ErrorCode::MalformedXML)?.trim())?;
    let etag = element.value("ETag").ok_or(ErrorCode::MalformedXML)?;
    let invalid = || {
        S3Error::from(ErrorCode::InvalidPart)
            .detail("PartNumber", number.get().to_string())
            .detail("ETag", etag)
    };
    if etag.len() > MAX_ETAG {
        // No part can have it.
        return Err(invalid());
    }
    let mut checksums = ChecksumAlgorithm::ALL
        .into_iter()
        .filter_map(|algorithm| Some((algorithm, element.value(algorithm.element())?)));
    let checksum = match (checksums.next(), checksums.next()) {
        (None, _) => None,
        // A value that no part can have is one that this part does not have.
        (Some((algorithm, value)), None) => {
            Some(Checksum::from_base64(algorithm, value).ok_or_else(invalid)?)
        }
        (Some(_), Some(_)) => {
            return Err(S3Error::new(ErrorCode::InvalidRequest, "Expecting a single checksum for a part"));
        }
    };
    Ok(CompletePart { number, etag: ETag::parse(etag), checksum })
}

/// The required checksum of the whole object, as the client wrote it: the store compares texts.
fn checksum(headers: &HeaderMap) -> Result<Option<(ChecksumAlgorithm, String)>, S3Error> {
    let mut found = None;
    for algorithm in ChecksumAlgorithm::ALL {
        if let Some(value) = headers.amz(algorithm.header())? {
            if found.is_some() {
                return Err(S3Error::new(
                    ErrorCode::InvalidRequest,
                    "Expecting a single x-amz-checksum- header",
                ));
            }
            found = Some((algorithm, value.trim().to_owned()));
        }
    }
    Ok(found)
}

fn kind(headers: &HeaderMap) -> Result<Option<ChecksumKind>, S3Error> {
    let invalid =
        || S3Error::new(ErrorCode::InvalidRequest, "Value for x-amz-checksum-type header is invalid.");
    headers.amz("x-amz-checksum-type")?.map(|text| ChecksumKind::parse(text).ok_or_else(invalid)).transpose()
}

fn size(headers: &HeaderMap) -> Result<Option<u64>, S3Error> {
    let name = "x-amz-mp-object-size";
    let Some(text) = headers.amz(name)? else { return Ok(None) };
    let invalid = |_| S3Error::new(ErrorCode::InvalidRequest, format!("Value for {name} header is invalid"));
    text.trim().parse().map(Some).map_err(invalid)
}

/// The upload as it was begun; `None`: there is no such upload, or it has ended.
async fn begun(store: &dyn Store, key: &ObjectKey, upload: &UploadId) -> Result<Option<UploadInfo>, S3Error> {
    match store.list_parts(key, upload, 0, 0).await {
        Ok(page) => Ok(Some(page.upload)),
        Err(error) if error.kind() == StoreErrorKind::NoSuchUpload => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn check_kind(begun: ChecksumKind, kind: ChecksumKind) -> Result<(), S3Error> {
    if begun == kind {
        return Ok(());
    }
    let begun = begun.as_str();
    let message = format!(
        "The upload was created using the {begun} checksum mode. The complete request must use the same checksum mode."
    );
    Err(S3Error::new(ErrorCode::InvalidRequest, message))
}

/// S3 User Guide, "Checking object integrity": who began an upload for a composite checksum names the
/// checksum of every part. Nobody can where the storage keeps none.
fn check_digests(begun: &UploadInfo, parts: &[CompletePart]) -> Result<(), S3Error> {
    let needs = begun.explicit_checksum && begun.checksum.kind == ChecksumKind::Composite;
    let Some(bare) = parts.iter().find(|part| needs && part.checksum.is_none()) else { return Ok(()) };
    let (algorithm, number) = (begun.checksum.algorithm.as_str().to_ascii_lowercase(), bare.number.get());
    let message = format!(
        "The upload was created using a {algorithm} checksum. The complete request must include the checksum for each part. It was \
         missing for part {number} in the request."
    );
    Err(S3Error::new(ErrorCode::InvalidRequest, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::tests::request;

    fn list(parts: &[&str]) -> Vec<u8> {
        let parts: String = parts.iter().map(|part| format!("<Part>{part}</Part>")).collect();
        format!("<CompleteMultipartUpload xmlns=\"{}\">{parts}</CompleteMultipartUpload>", xml::NAMESPACE)
            .into_bytes()
    }

    async fn read(body: &[u8]) -> Result<Vec<CompletePart>, S3Error> {
        Ok(parts(Payload::from_bytes(body.to_vec())).await?.items)
    }

    async fn failure(body: &[u8]) -> ErrorCode {
        read(body).await.expect_err("refused").code
    }

    fn numbered(number: impl std::fmt::Display) -> String {
        format!("<PartNumber>{number}</PartNumber><ETag>a</ETag>")
    }

    #[tokio::test]
    async fn a_list_is_read_with_every_kind_of_checksum() {
        let bodies = ChecksumAlgorithm::ALL.map(|algorithm| {
            let sum = Checksum::new(algorithm, &vec![7; algorithm.length()]).expect("its length");
            (
                sum.clone(),
                format!("<ETag>&quot;abc&quot;</ETag><{0}>{1}</{0}>", algorithm.element(), sum.to_base64()),
            )
        });
        for (at, (sum, inner)) in (1..).zip(bodies) {
            let read = read(&list(&[&format!("{inner}<PartNumber>{at}</PartNumber>")])).await.expect("fine");
            assert_eq!(
                (read[0].number.get(), read[0].etag.as_str(), read[0].checksum.as_ref()),
                (at, "abc", Some(&sum))
            );
        }
    }

    #[tokio::test]
    async fn lists_that_are_not_well_formed_are_refused() {
        for body in [
            &b""[..],
            b"<CompleteMultipartUpload/>",
            b"<Other/>",
            b"<CompleteMultipartUpload>",
            &list(&["<ETag>a</ETag>"]),
        ] {
            assert_eq!(failure(body).await, ErrorCode::MalformedXML, "{}", String::from_utf8_lossy(body));
        }
        assert_eq!(failure(&list(&["<PartNumber>1</PartNumber>"])).await, ErrorCode::MalformedXML);
        for number in ["0", "10001", "one", "-1"] {
            assert_eq!(failure(&list(&[&numbered(number)])).await, ErrorCode::InvalidArgument, "{number}");
        }
        let sums = "<ChecksumCRC32>AAAAAA==</ChecksumCRC32><ChecksumSHA1>AAAA</ChecksumSHA1>";
        assert_eq!(failure(&list(&[&(numbered(1) + sums)])).await, ErrorCode::InvalidRequest);
        assert_eq!(
            failure(&list(&[&(numbered(1) + "<ChecksumCRC32>bad</ChecksumCRC32>")])).await,
            ErrorCode::InvalidPart
        );
    }

    #[tokio::test]
    async fn parts_come_in_ascending_order_without_repeats() {
        let all: Vec<_> = (1..=10_000).map(numbered).collect();
        let all: Vec<_> = all.iter().map(String::as_str).collect();
        assert_eq!(read(&list(&all)).await.expect("every number there is").len(), 10_000);
        for numbers in [[1, 1], [2, 1]] {
            let numbers = numbers.map(numbered);
            assert_eq!(failure(&list(&[&numbers[0], &numbers[1]])).await, ErrorCode::InvalidPartOrder);
        }
        let more: Vec<_> = all.iter().copied().chain(["<PartNumber>1</PartNumber><ETag>a</ETag>"]).collect();
        assert_eq!(failure(&list(&more)).await, ErrorCode::InvalidPartOrder);
    }

    #[test]
    fn what_the_headers_say_of_the_object_is_kept_in_their_words() {
        let headers = request(&[
            ("x-amz-checksum-sha256", "Ok6Cs5b96ux6+MWQkJO7UBT5sKPBeXBLwvj/hK89smg=-1"),
            ("x-amz-checksum-type", "COMPOSITE"),
            ("x-amz-mp-object-size", "5242881"),
        ])
        .headers;
        let text = "Ok6Cs5b96ux6+MWQkJO7UBT5sKPBeXBLwvj/hK89smg=-1".to_owned();
        assert_eq!(checksum(&headers).expect("one"), Some((ChecksumAlgorithm::Sha256, text)));
        assert_eq!(kind(&headers).expect("known"), Some(ChecksumKind::Composite));
        assert_eq!(size(&headers).expect("a number"), Some(5_242_881));
        let two = request(&[("x-amz-checksum-sha1", "a"), ("x-amz-checksum-crc32", "b")]).headers;
        assert_eq!(checksum(&two).expect_err("two").code, ErrorCode::InvalidRequest);
        assert_eq!(
            kind(&request(&[("x-amz-checksum-type", "HALF")]).headers).expect_err("unknown").code,
            ErrorCode::InvalidRequest
        );
        assert_eq!(
            size(&request(&[("x-amz-mp-object-size", "-1")]).headers).expect_err("negative").code,
            ErrorCode::InvalidRequest
        );
    }
}
