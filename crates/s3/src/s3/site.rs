//! Websites: the pages of a bucket for browsers (Amazon S3 User Guide, "Website endpoints").
//!
//! Owns the order of what may answer: redirects of the whole bucket, routing rules, the object or the index of
//! a folder, the redirect of a path to its folder, routing rules for failures, and the error document. Does
//! not own which objects may be read: each is read as GetObject reads it for an anonymous client, so the gate
//! decides about it.
//!
//! Invariants:
//! - nothing is authenticated, and nothing is written;
//! - whether there is a folder is not shown to a client that may not read the index of the folder.

mod location;
mod page;
mod visit;

use super::{
    about::About,
    body::{Body, Response},
    error::{ErrorCode, S3Error},
    operation::Operation,
    ops::{get_object, head_object},
    reply,
    service::Service,
};
use crate::{
    buckets::settings::WebsiteConfiguration,
    model::{Pages, Website},
};
use http::{HeaderName, HeaderValue, StatusCode, header};
pub use page::of_error as error_page;
use std::sync::Arc;
use visit::Ask;
pub use visit::{Asked, Visit};

const REDIRECT: HeaderName = HeaderName::from_static("x-amz-website-redirect-location");
/// What a document for an error does not keep of the object: it is no state of the page that was asked for.
const OF_OBJECT: [HeaderName; 3] = [header::ETAG, header::LAST_MODIFIED, header::ACCEPT_RANGES];
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

impl Service {
    /// Answers a request for a page. The error, if it is one, is left in the reply's extensions, for the log.
    pub async fn visit(&self, visit: &Visit) -> Response {
        let shown = self.show(visit).await;
        shown.unwrap_or_else(|error| error_page(&About::of(&visit.request), error, None))
    }

    async fn show(&self, visit: &Visit) -> Result<Response, S3Error> {
        let Some(operation) = visit.request.context.operation else {
            return Err(S3Error::from(ErrorCode::MethodNotAllowed)
                .detail("ResourceType", "OBJECT")
                .header(header::ALLOW, METHODS));
        };
        let bucket = self.bucket_of(&visit.request.target).await?;
        let website = bucket.settings().get::<WebsiteConfiguration>().clone();
        match website.as_deref() {
            None => Err(ErrorCode::NoSuchWebsiteConfiguration.into()),
            Some(Website::RedirectAll(all)) => {
                redirect(StatusCode::MOVED_PERMANENTLY, &location::of_all(visit, all))
            }
            Some(Website::Pages(pages)) => self.show_page(visit, operation, pages).await,
        }
    }

    async fn show_page(
        &self,
        visit: &Visit,
        operation: Operation,
        pages: &Pages,
    ) -> Result<Response, S3Error> {
        if let Some(redirected) = by_rule(visit, pages, None) {
            return redirected;
        }
        let error = match self.object(visit, operation, &pages.object(visit.path())).await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        let is_absent = matches!(error.code, ErrorCode::NoSuchKey | ErrorCode::AccessDenied);
        if is_absent && self.is_folder(visit, pages).await? {
            return redirect(StatusCode::FOUND, &location::of_folder(visit));
        }
        if let Some(redirected) = by_rule(visit, pages, Some(error.status())) {
            return redirected;
        }
        match &pages.error {
            Some(key) if error.status().is_client_error() => {
                self.error_document(visit, operation, key, error).await
            }
            _ => Err(error),
        }
    }

    /// The object of a page, or the redirect that is stored with it.
    async fn object(&self, visit: &Visit, operation: Operation, key: &str) -> Result<Response, S3Error> {
        let found = match self.read(visit, operation, key, Ask::Same).await {
            // An object that only redirects is empty, and so has no range.
            Err(error) if error.code == ErrorCode::InvalidRange => {
                let whole = self.read(visit, Operation::HeadObject, key, Ask::Whole).await?;
                if whole.headers().contains_key(REDIRECT) { whole } else { return Err(error) }
            }
            found => found?,
        };
        match found.headers().get(REDIRECT) {
            Some(stored) => redirect(StatusCode::MOVED_PERMANENTLY, &location::of_object(stored)),
            None => Ok(found),
        }
    }

    /// Whether a path that is no object is that of a folder, whose index the client may read.
    async fn is_folder(&self, visit: &Visit, pages: &Pages) -> Result<bool, S3Error> {
        let path = visit.path();
        if path.is_empty() || path.ends_with('/') {
            return Ok(false);
        }
        let index = pages.object(&format!("{path}/"));
        match self.read(visit, Operation::HeadObject, &index, Ask::Whole).await {
            Ok(_) => Ok(true),
            Err(error) if error.status().is_server_error() => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// The document that the owner wants to be shown for errors, with the status of the error.
    async fn error_document(
        &self,
        visit: &Visit,
        operation: Operation,
        key: &str,
        error: S3Error,
    ) -> Result<Response, S3Error> {
        let mut response = match self.read(visit, operation, key, Ask::Whole).await {
            Ok(found) => found,
            Err(second) => return Ok(error_page(&About::of(&visit.request), error, Some(&second))),
        };
        *response.status_mut() = error.status();
        let headers = response.headers_mut();
        for name in OF_OBJECT.iter().chain([&REDIRECT]) {
            headers.remove(name);
        }
        page::mark(headers, &error);
        headers.extend(error.headers.clone());
        response.extensions_mut().insert(Arc::new(error));
        Ok(response)
    }

    /// Reads an object as an anonymous client does.
    async fn read(
        &self,
        visit: &Visit,
        operation: Operation,
        key: &str,
        ask: Ask,
    ) -> Result<Response, S3Error> {
        let mut request = visit.of_object(operation, key, ask);
        request.context.gateway = Some(self.gateway().clone());
        let bucket = self.bucket_of(&request.target).await?;
        let call = self.on_read(operation, request, bucket)?;
        let read = match operation {
            Operation::HeadObject => head_object::handle(call).await,
            _ => get_object::handle(call).await,
        };
        read.map_err(|error| match error.code {
            ErrorCode::NoSuchKey => error.detail("Key", key),
            _ => error,
        })
    }
}

/// The redirect of the first rule that applies. `failed` is the status of the failure, if the page was looked
/// up already.
fn by_rule(visit: &Visit, pages: &Pages, failed: Option<StatusCode>) -> Option<Result<Response, S3Error>> {
    let rule = pages.rule(visit.path(), failed.map(|status| status.as_u16()))?;
    let status = StatusCode::from_u16(rule.code()).unwrap_or(StatusCode::MOVED_PERMANENTLY);
    Some(redirect(status, &location::of_rule(visit, rule)))
}

fn redirect(status: StatusCode, location: &str) -> Result<Response, S3Error> {
    let location = HeaderValue::try_from(location)
        .map_err(|error| S3Error::from(ErrorCode::InternalError).with_source(error))?;
    let mut response = reply::empty(status);
    response.headers_mut().insert(header::LOCATION, location);
    *response.body_mut() = Body::Empty;
    Ok(response)
}
