//! The pages that a website shows for errors, in the form of S3: what is known about the error as a list.
//!
//! Owns the form. Invariant: every text of a client in them is escaped.

use crate::s3::{
    about::About,
    body::{Body, Response},
    document::shown,
    error::{ErrorCode, S3Error},
    xml::Writer,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::sync::Arc;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const ERROR_CODE: HeaderName = HeaderName::from_static("x-amz-error-code");
const ERROR_MESSAGE: HeaderName = HeaderName::from_static("x-amz-error-message");
const SECOND: &str = "An Error Occurred While Attempting to Retrieve a Custom Error Document";

/// The page of an error. `second` is the error of the document that should be shown for it. The error itself
/// goes into the extensions, for the log.
pub fn of_error(about: &About, error: S3Error, second: Option<&S3Error>) -> Response {
    let status = error.status();
    let mut writer = Writer::fragment();
    writer.verbatim("<!DOCTYPE html>\n");
    writer.element("html", |w| {
        w.element("head", |w| w.text("title", title(status)));
        w.verbatim("\n");
        w.element("body", |w| {
            w.text("h1", title(status));
            let mut lines = lines(about, &error);
            if second.is_none() {
                lines.extend(identification(about));
            }
            list(w, &lines);
            if let Some(second) = second {
                w.text("h3", SECOND);
                let mut lines = self::lines(about, second);
                lines.extend(identification(about));
                list(w, &lines);
            }
            w.verbatim("<hr/>\n");
        });
    });
    let mut response = http::Response::new(Body::Full(writer.finish()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HTML);
    mark(response.headers_mut(), &error);
    response.headers_mut().extend(error.headers.clone());
    response.extensions_mut().insert(Arc::new(error));
    response
}

/// What the headers of a reply say about its error, also where another document is shown for it.
pub(super) fn mark(headers: &mut HeaderMap, error: &S3Error) {
    headers.insert(ERROR_CODE, HeaderValue::from_static(error.code.as_str()));
    if let Ok(message) = HeaderValue::try_from(&*error.message) {
        headers.insert(ERROR_MESSAGE, message);
    }
}

fn title(status: StatusCode) -> String {
    format!("{} {}", status.as_str(), status.canonical_reason().unwrap_or_default()).trim_end().to_owned()
}

type Line<'a> = (&'a str, &'a str);

fn lines<'a>(about: &'a About, error: &'a S3Error) -> Vec<Line<'a>> {
    let mut lines = vec![("Code", error.code.as_str()), ("Message", &*error.message)];
    lines.extend(about.details(error));
    let names_bucket = matches!(error.code, ErrorCode::NoSuchBucket | ErrorCode::NoSuchWebsiteConfiguration);
    lines.extend(about.bucket().filter(|_| names_bucket).map(|bucket| ("BucketName", bucket)));
    lines
}

fn identification(about: &About) -> [Line<'_>; 2] {
    [("RequestId", about.request_id()), ("HostId", about.request_id())]
}

fn list(w: &mut Writer, lines: &[Line<'_>]) {
    w.element("ul", |w| {
        w.verbatim("\n");
        for (name, value) in lines {
            w.text("li", format!("{name}: {}", shown(value)));
            w.verbatim("\n");
        }
    });
    w.verbatim("\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::{RequestId, Target, tests::request};

    fn shown(response: Response) -> String {
        let Body::Full(page) = response.into_body() else { panic!("a page") };
        String::from_utf8(page.to_vec()).expect("UTF-8")
    }

    #[test]
    fn a_page_lists_what_is_known_about_the_error() {
        let response = of_error(&About::of(&request(&[])), ErrorCode::NoSuchKey.into(), None);
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
        assert_eq!(response.headers()["x-amz-error-code"], "NoSuchKey");
        assert_eq!(response.headers()["x-amz-error-message"], "The specified key does not exist.");
        assert!(response.extensions().get::<Arc<S3Error>>().is_some(), "the log shows it");
        assert_eq!(
            shown(response),
            "<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head>\n<body><h1>404 Not Found</h1><ul>\n\
             <li>Code: NoSuchKey</li>\n<li>Message: The specified key does not exist.</li>\n<li>Key: key</li>\n\
             <li>RequestId: test</li>\n<li>HostId: test</li>\n</ul>\n<hr/>\n</body></html>"
        );
    }

    #[test]
    fn text_of_clients_is_never_markup() {
        let evil = "</li><script>alert('1')</script>&\u{0}\r\n";
        let target = Target { bucket: Some(evil.into()), key: Some(evil.into()), control: None };
        let about = About::new(&RequestId(evil.into()), target);
        for code in [ErrorCode::NoSuchKey, ErrorCode::NoSuchBucket] {
            let error = S3Error::new(code, evil).detail("Key", evil);
            let response = of_error(&about, error, Some(&S3Error::new(code, evil)));
            assert!(!response.headers().contains_key("x-amz-error-message"));
            let page = shown(response);
            assert!(!page.contains("<script") && page.contains("&lt;script"), "{page}");
            assert_eq!(page.matches("<li>").count(), page.matches("</li>").count());
        }
    }

    #[test]
    fn a_document_that_is_missing_for_an_error_is_named_after_it() {
        let second = S3Error::from(ErrorCode::NoSuchKey).detail("Key", "404.html");
        let page = shown(of_error(&About::of(&request(&[])), ErrorCode::AccessDenied.into(), Some(&second)));
        let (first, rest) = page.split_once("<h3>").expect("two lists");
        assert!(first.contains("403 Forbidden") && first.contains("Code: AccessDenied"), "{first}");
        assert!(rest.contains("Custom Error Document") && rest.contains("Key: 404.html"), "{rest}");
    }
}
