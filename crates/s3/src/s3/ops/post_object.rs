//! PostObject: an upload by HTML form. The edge has read the fields and made headers of them; this is the PUT
//! of the file, with the reply that the form asks for.

use crate::{
    model::{BucketName, ETag, ObjectKey},
    s3::{
        Body, FormStatus, ObjectCall, Response, S3Error, Service, abilities::Abilities, object_url, reply,
        writing, xml,
    },
};
use http::{HeaderValue, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters that a query shows as they are.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

pub(in crate::s3) async fn handle(service: &Service, mut call: ObjectCall) -> Result<Response, S3Error> {
    let form = call.request.form.take().unwrap_or_default();
    let (bucket, key) = (call.bucket.clone(), call.key.clone());
    let url = object_url::of(&call.request, bucket.name().as_str(), &key);
    if Abilities::of(&bucket).needs_length() {
        call.request.payload = service.spool().measured(call.request.payload).await?;
    }
    let written = writing::write(call).await?;
    let redirect = form.redirect.and_then(|to| redirected(&to, bucket.name(), &key, &written.etag));
    let mut response = match (redirect, form.status) {
        (Some(to), _) => {
            let mut response = reply::empty(StatusCode::SEE_OTHER);
            response.headers_mut().insert(header::LOCATION, to);
            response
        }
        (None, FormStatus::Ok) => reply::empty(StatusCode::OK),
        (None, FormStatus::NoContent) => reply::empty(StatusCode::NO_CONTENT),
        (None, FormStatus::Created) => document(&url, bucket.name(), &key, &written.etag),
    };
    if let (false, Ok(url)) = (response.headers().contains_key(header::LOCATION), HeaderValue::try_from(url))
    {
        response.headers_mut().insert(header::LOCATION, url);
    }
    response.headers_mut().extend(written.headers);
    Ok(response)
}

/// The address that the form names, with the object in its query. `None`: no header can have it.
fn redirected(to: &str, bucket: &BucketName, key: &ObjectKey, etag: &ETag) -> Option<HeaderValue> {
    let (address, fragment) = to.split_once('#').map_or((to, None), |(address, rest)| (address, Some(rest)));
    let separator = if address.contains('?') { '&' } else { '?' };
    let encoded = |text: &str| utf8_percent_encode(text, QUERY).to_string();
    let (key, etag) = (encoded(key.as_str()), encoded(&etag.quoted()));
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    HeaderValue::try_from(format!("{address}{separator}bucket={bucket}&key={key}&etag={etag}{fragment}")).ok()
}

/// S3 writes this document without a namespace.
fn document(url: &str, bucket: &BucketName, key: &ObjectKey, etag: &ETag) -> Response {
    let mut writer = xml::Writer::document();
    writer.element("PostResponse", |w| {
        w.text("Location", url);
        w.text("Bucket", bucket.as_str());
        w.text("Key", key.as_str());
        w.text("ETag", etag.quoted());
    });
    let mut response = http::Response::new(Body::Full(writer.finish()));
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(header::CONTENT_TYPE, reply::XML);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_names_the_object_in_its_query() {
        let redirect = |to: &str| {
            let (bucket, key) =
                (BucketName::parse("photos").expect("a name"), ObjectKey::new("a b/ü&c").expect("a key"));
            let header = redirected(to, &bucket, &key, &ETag::from_md5([0; 16]))?;
            Some(header.to_str().expect("ASCII").to_owned())
        };
        let object = "bucket=photos&key=a%20b%2F%C3%BC%26c&etag=%2200000000000000000000000000000000%22";
        assert_eq!(redirect("http://x.test/done"), Some(format!("http://x.test/done?{object}")));
        assert_eq!(redirect("https://x.test/?a=b#c"), Some(format!("https://x.test/?a=b&{object}#c")));
        assert_eq!(redirect("http://x.test/\r\nx: y"), None);
    }
}
