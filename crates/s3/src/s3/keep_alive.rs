//! Replies to work that may outlast a client's patience (S3 API reference, CompleteMultipartUpload:
//! "processing could take several minutes"): 200 and blanks while it lasts, then the document, which is an
//! error document if the work failed.
//!
//! Invariants:
//! - work that ends in time is answered with its own status;
//! - the work is a task of its own: a client that disconnects does not end it, and finds it done when it asks
//!   again.

use super::{
    about::About,
    body::{Body, Response},
    error::{ErrorCode, S3Error},
    reply, xml,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::StatusCode;
use std::{future::Future, time::Duration};
use tokio::{task::JoinHandle, time::timeout};
use tracing::Instrument;

/// Clients wait a minute for a first byte. Most errors come sooner than this, and keep their status.
const PATIENCE: Duration = Duration::from_secs(10);

type Work = JoinHandle<Result<Response, S3Error>>;

pub(super) async fn answer(
    about: About,
    work: impl Future<Output = Result<Response, S3Error>> + Send + 'static,
) -> Result<Response, S3Error> {
    answer_within(PATIENCE, about, work).await
}

async fn answer_within(
    patience: Duration,
    about: About,
    work: impl Future<Output = Result<Response, S3Error>> + Send + 'static,
) -> Result<Response, S3Error> {
    let mut work = tokio::spawn(work.in_current_span());
    match timeout(patience, &mut work).await {
        Ok(done) => flatten(done),
        Err(_) => Ok(late(patience, about, work)),
    }
}

fn flatten(done: Result<Result<Response, S3Error>, tokio::task::JoinError>) -> Result<Response, S3Error> {
    done.unwrap_or_else(|panic| Err(S3Error::from(ErrorCode::InternalError).with_source(panic)))
}

/// Blanks may only stand behind the XML declaration, so that goes first, and is cut off the document that
/// follows.
fn late(patience: Duration, about: About, work: Work) -> Response {
    let declaration = xml::Writer::document().finish();
    let begun = declaration.clone();
    let rest = stream::unfold(Some((work, about)), move |state| {
        let declaration = declaration.clone();
        async move {
            let (mut work, about) = state?;
            let Ok(done) = timeout(patience, &mut work).await else {
                return Some((Ok(Bytes::from_static(b" ")), Some((work, about))));
            };
            let response = flatten(done).unwrap_or_else(|error| {
                tracing::warn!(%error, source = error.source.as_deref(), "a request failed after its reply had begun");
                about.error(error)
            });
            let Body::Full(document) = response.into_body() else { return None };
            let cut = if document.starts_with(&declaration) { declaration.len() } else { 0 };
            Some((Ok(document.slice(cut..)), None))
        }
    });
    let mut response = reply::empty(StatusCode::OK);
    response.headers_mut().insert(http::header::CONTENT_TYPE, reply::XML);
    *response.body_mut() =
        Body::Stream { stream: stream::once(async { Ok(begun) }).chain(rest).boxed(), length: None };
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::{RequestId, Target};
    use http_body_util::BodyExt;
    use tokio::sync::oneshot;

    fn about() -> About {
        let target = Target { bucket: Some("bucket".into()), key: Some("key".into()), ..Target::default() };
        About::new(&RequestId("id".into()), target)
    }

    async fn frame(response: &mut Response) -> Option<String> {
        let frame =
            response.body_mut().frame().await?.expect("no errors in this stream").into_data().expect("data");
        Some(String::from_utf8(frame.to_vec()).expect("UTF-8"))
    }

    /// Work that ends when told to, the late reply to it read up to its first blank.
    async fn begun(outcome: Result<Response, S3Error>) -> (Response, String, oneshot::Sender<()>) {
        let (end, ended) = oneshot::channel();
        let work = async move {
            ended.await.expect("told to end");
            outcome
        };
        let mut response =
            answer_within(Duration::from_millis(1), about(), work).await.expect("a late reply");
        let text = frame(&mut response).await.expect("a declaration")
            + &frame(&mut response).await.expect("a blank");
        (response, text, end)
    }

    async fn finish(mut response: Response, mut text: String, end: oneshot::Sender<()>) -> String {
        end.send(()).expect("the work waits");
        while let Some(frame) = frame(&mut response).await {
            text.push_str(&frame);
        }
        text
    }

    #[tokio::test]
    async fn work_that_ends_in_time_keeps_its_status() {
        let fine = answer(about(), async { Ok(reply::document("Done", |_| {})) }).await.expect("fine");
        assert!(matches!(fine.body(), Body::Full(_)));
        let failed = answer(about(), async { Err(ErrorCode::InvalidPart.into()) }).await.expect_err("failed");
        assert_eq!(failed.code, ErrorCode::InvalidPart);
    }

    #[tokio::test]
    async fn late_work_is_one_document_behind_blanks() {
        let (response, text, end) = begun(Ok(reply::document("Done", |w| w.text("ETag", "x")))).await;
        assert_eq!(response.status(), StatusCode::OK);
        let text = finish(response, text, end).await;
        let element = xml::parse(text.as_bytes(), "Done").expect("well formed");
        assert_eq!(element.value("ETag"), Some("x"));
        assert_eq!(text.matches("<?xml").count(), 1);
    }

    #[tokio::test]
    async fn late_failures_are_an_error_document() {
        let (response, text, end) = begun(Err(ErrorCode::EntityTooSmall.into())).await;
        let text = finish(response, text, end).await;
        let element = xml::parse(text.as_bytes(), "Error").expect("well formed");
        assert_eq!(element.value("Code"), Some("EntityTooSmall"));
    }

    #[tokio::test]
    async fn a_client_that_leaves_does_not_end_the_work() {
        let ((end, ended), (done, finished)) = (oneshot::channel(), oneshot::channel());
        let work = async move {
            ended.await.expect("told to end");
            done.send(()).expect("somebody waits");
            Ok(reply::document("Done", |_| {}))
        };
        drop(answer_within(Duration::from_millis(1), about(), work).await.expect("a late reply"));
        end.send(()).expect("the work waits");
        finished.await.expect("the work went on");
    }

    #[tokio::test]
    async fn work_that_panics_is_an_internal_error() {
        let failed = answer(about(), async { panic!("as this test wants") }).await.expect_err("failed");
        assert_eq!(failed.code, ErrorCode::InternalError);
    }
}
