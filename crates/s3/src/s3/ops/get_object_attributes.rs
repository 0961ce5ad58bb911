//! GetObjectAttributes: chosen facts about an object, and its parts page by page.

use crate::{
    model::{ObjectInfo, ObjectPart, StorageClass},
    s3::{ErrorCode, HeaderMapExt, ReadCall, Response, S3Error, reply, xml},
};
use http::{HeaderMap, HeaderValue, header};

const MAX_PARTS: usize = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attribute {
    ETag,
    Checksum,
    ObjectParts,
    StorageClass,
    ObjectSize,
}

impl Attribute {
    /// In the order in which the reply shows them.
    const NAMES: [(&'static str, Attribute); 5] = [
        ("ETag", Attribute::ETag),
        ("Checksum", Attribute::Checksum),
        ("ObjectParts", Attribute::ObjectParts),
        ("StorageClass", Attribute::StorageClass),
        ("ObjectSize", Attribute::ObjectSize),
    ];
}

/// Which parts to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PartsRange {
    after: u16,
    limit: usize,
}

pub(in crate::s3) async fn handle(call: ReadCall) -> Result<Response, S3Error> {
    let wanted = wanted(&call.request.headers)?;
    let page = page(&call.request.headers)?;
    let reader = call.reader();
    let info = if wanted.contains(&Attribute::ObjectParts) {
        reader.describe(&Default::default()).await??
    } else {
        reader.head(&Default::default()).await??
    };
    let mut response = reply::document("GetObjectAttributesResponse", |w| {
        for (_, attribute) in Attribute::NAMES.into_iter().filter(|(_, attribute)| wanted.contains(attribute))
        {
            show(w, attribute, &info, page);
        }
    });
    if let Ok(date) = HeaderValue::try_from(info.last_modified.http_date()) {
        response.headers_mut().insert(header::LAST_MODIFIED, date);
    }
    Ok(response)
}

/// `x-amz-object-attributes`: a list, in one header or several.
fn wanted(headers: &HeaderMap) -> Result<Vec<Attribute>, S3Error> {
    const HEADER: &str = "x-amz-object-attributes";
    let mut wanted = Vec::new();
    for value in headers.get_all(HEADER) {
        for name in
            value.to_str().unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty())
        {
            let known = Attribute::NAMES.into_iter().find(|(known, _)| *known == name);
            let (_, attribute) =
                known.ok_or_else(|| S3Error::argument(HEADER, name, "Invalid attribute name specified."))?;
            wanted.push(attribute);
        }
    }
    if wanted.is_empty() {
        let message = "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty";
        return Err(S3Error::new(ErrorCode::InvalidRequest, message));
    }
    Ok(wanted)
}

fn page(headers: &HeaderMap) -> Result<PartsRange, S3Error> {
    let number = |header: &'static str| {
        let parse = |text: &str| {
            let number = text.parse::<i32>().ok().and_then(|number| usize::try_from(number).ok());
            number.ok_or_else(|| {
                S3Error::argument(
                    header,
                    text,
                    format!("{header} must be an integer between 0 and 2147483647"),
                )
            })
        };
        headers.amz(header)?.map(parse).transpose()
    };
    let after = number("x-amz-part-number-marker")?.unwrap_or(0);
    let limit = number("x-amz-max-parts")?.unwrap_or(MAX_PARTS).min(MAX_PARTS);
    Ok(PartsRange { after: u16::try_from(after).unwrap_or(u16::MAX), limit })
}

fn show(w: &mut xml::Writer, attribute: Attribute, info: &ObjectInfo, page: PartsRange) {
    match attribute {
        Attribute::ETag => w.text("ETag", info.etag.as_str()),
        Attribute::Checksum => {
            if let Some(checksum) = &info.checksum {
                w.element("Checksum", |w| {
                    w.text(checksum.algorithm().element(), checksum.text());
                    w.text("ChecksumType", checksum.kind.as_str());
                });
            }
        }
        Attribute::ObjectParts if info.parts.is_empty() => {}
        Attribute::ObjectParts => w.element("ObjectParts", |w| parts(w, &info.parts, page)),
        Attribute::StorageClass => w.text("StorageClass", StorageClass::shown(info.attributes.storage_class)),
        Attribute::ObjectSize => w.number("ObjectSize", info.size),
    }
}

fn parts(w: &mut xml::Writer, parts: &[ObjectPart], page: PartsRange) {
    let rest = &parts[parts.partition_point(|part| part.number <= page.after)..];
    let shown = &rest[..rest.len().min(page.limit)];
    w.number("PartsCount", parts.len() as u64);
    w.number("PartNumberMarker", page.after);
    w.number("NextPartNumberMarker", shown.last().map_or(page.after, |part| part.number));
    w.number("MaxParts", page.limit as u64);
    w.boolean("IsTruncated", shown.len() < rest.len());
    for part in shown {
        w.element("Part", |w| {
            w.number("PartNumber", part.number);
            w.number("Size", part.size);
            if let Some(checksum) = &part.checksum {
                w.text(checksum.algorithm().element(), checksum.to_base64());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::tests::request;

    #[test]
    fn attributes_are_a_list_in_one_header_or_several() {
        let of =
            |headers: &[(&'static str, &str)]| wanted(&request(headers).headers).map_err(|error| error.code);
        let name = "x-amz-object-attributes";
        assert_eq!(
            of(&[(name, "ETag, ObjectSize"), (name, "Checksum")]),
            Ok(vec![Attribute::ETag, Attribute::ObjectSize, Attribute::Checksum])
        );
        assert_eq!(of(&[(name, "Etag")]), Err(ErrorCode::InvalidArgument));
        assert_eq!(of(&[(name, ",")]), Err(ErrorCode::InvalidRequest));
        assert_eq!(of(&[]), Err(ErrorCode::InvalidRequest));
    }

    #[test]
    fn parts_are_paged_by_their_numbers() {
        let all: Vec<_> = [1, 4, 9].map(|number| ObjectPart { number, size: 5, checksum: None }).into();
        let shown = |after, limit| {
            let mut writer = xml::Writer::document();
            writer.element("ObjectParts", |w| parts(w, &all, PartsRange { after, limit }));
            let root = xml::parse(&writer.finish(), "ObjectParts").expect("well formed");
            let numbers: Vec<_> =
                root.all("Part").filter_map(|part| part.value("PartNumber")?.parse::<u16>().ok()).collect();
            (
                numbers,
                root.value("IsTruncated") == Some("true"),
                root.value("NextPartNumberMarker").map(str::to_owned),
            )
        };
        assert_eq!(shown(0, 1000), (vec![1, 4, 9], false, Some("9".into())));
        assert_eq!(shown(1, 1), (vec![4], true, Some("4".into())));
        assert_eq!(shown(4, 1), (vec![9], false, Some("9".into())));
        assert_eq!(shown(9, 1), (vec![], false, Some("9".into())));
        assert_eq!(shown(0, 0), (vec![], true, Some("0".into())));
    }

    #[test]
    fn page_limits_are_numbers() {
        let of =
            |headers: &[(&'static str, &str)]| page(&request(headers).headers).map_err(|error| error.code);
        assert_eq!(of(&[]), Ok(PartsRange { after: 0, limit: 1000 }));
        assert_eq!(
            of(&[("x-amz-max-parts", "5000"), ("x-amz-part-number-marker", "70000")]),
            Ok(PartsRange { after: u16::MAX, limit: 1000 })
        );
        assert_eq!(of(&[("x-amz-max-parts", "-1")]), Err(ErrorCode::InvalidArgument));
        assert_eq!(of(&[("x-amz-part-number-marker", "x")]), Err(ErrorCode::InvalidArgument));
    }
}
