//! Documents that hold one word: request payment, transfer acceleration, access by tags.

use super::{BucketCall, ErrorCode, Response, S3Error, reply, xml};

/// Longer documents hold more than a word.
const MAX_DOCUMENT: usize = 4096;

/// Reads the word from an element of a document.
pub(super) async fn read<T>(
    call: BucketCall,
    root: &'static str,
    element: &str,
    parse: fn(&str) -> Option<T>,
) -> Result<T, S3Error> {
    let document = call.request.payload.collect(MAX_DOCUMENT).await?;
    let document = xml::parse(&document, root)?;
    let [child] = &document.children[..] else { return Err(ErrorCode::MalformedXML.into()) };
    let word = (child.name == element).then(|| parse(child.text.trim())).flatten();
    word.ok_or_else(|| ErrorCode::MalformedXML.into())
}

/// The document, which is empty without a word.
pub(super) fn document(root: &str, element: &str, word: Option<&str>) -> Response {
    reply::document(root, |w| {
        if let Some(word) = word {
            w.text(element, word);
        }
    })
}
