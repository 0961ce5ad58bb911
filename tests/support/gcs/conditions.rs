//! Preconditions. On writes only generations count: `If-Match` and `If-None-Match` of a PUT or DELETE are
//! accepted and ignored, as the service does. A driver that relies on them loses writes here, too.

use super::{
    state::Object,
    wire::{Call, INVALID_ARGUMENT, MULTIPART_PRECONDITION, PRECONDITION_FAILED, Refusal},
};
use std::time::{Duration, SystemTime};

const GENERATION: &str = "if-generation-match";
const METAGENERATION: &str = "if-metageneration-match";
const SOURCE_GENERATION: &str = "copy-source-if-generation-match";
const SOURCE_METAGENERATION: &str = "copy-source-if-metageneration-match";

/// Checks the conditions on the object that is read, written or deleted. The dialect of AWS has no such
/// headers, and the service ignores them there.
pub fn generations(call: &Call, current: Option<&Object>) -> Result<(), Refusal> {
    both(call, GENERATION, METAGENERATION, current)
}

pub fn source_generations(call: &Call, source: &Object) -> Result<(), Refusal> {
    both(call, SOURCE_GENERATION, SOURCE_METAGENERATION, Some(source))
}

fn both(
    call: &Call,
    generation: &str,
    metageneration: &str,
    current: Option<&Object>,
) -> Result<(), Refusal> {
    // A missing object has generation 0.
    let found = [
        (generation, current.map_or(0, |object| object.generation)),
        (metageneration, u64::from(current.is_some())),
    ];
    for (name, found) in found {
        let Some(wanted) = call.header(&format!("x-goog-{name}")) else { continue };
        let wanted: u64 = wanted.parse().map_err(|_| INVALID_ARGUMENT.about(name))?;
        if wanted != found {
            return Err(PRECONDITION_FAILED.about(format!("x-goog-{name}")));
        }
    }
    Ok(())
}

/// Requests of a multipart upload must have no preconditions.
pub fn none_in_multipart(call: &Call) -> Result<(), Refusal> {
    match [GENERATION, METAGENERATION].iter().find(|name| call.headers.contains_key(format!("x-goog-{name}")))
    {
        Some(name) => Err(MULTIPART_PRECONDITION.about(format!("x-goog-{name}"))),
        None => Ok(()),
    }
}

/// Checks the conditions of RFC 9110, for GET and HEAD. Returns `false` for a 304.
pub fn of_reading(call: &Call, object: &Object) -> Result<bool, Refusal> {
    let named = |name: &str| call.header(name);
    let [matching, unmodified] = [named("if-match"), named("if-unmodified-since")];
    let [other, modified] = [named("if-none-match"), named("if-modified-since")];
    let fails = match (matching, unmodified) {
        (Some(etags), _) => !lists(etags, object),
        (None, Some(date)) => is_newer(object, date),
        (None, None) => false,
    };
    if fails {
        return Err(PRECONDITION_FAILED);
    }
    Ok(match (other, modified) {
        (Some(etags), _) => !lists(etags, object),
        (None, Some(date)) => is_newer(object, date),
        (None, None) => true,
    })
}

/// Checks the conditions on the source of a copy, where each failure is a 412.
pub fn of_source(call: &Call, source: &Object) -> Result<(), Refusal> {
    source_generations(call, source)?;
    let named = |name: &str| call.extension(&format!("copy-source-{name}"));
    let fails = named("if-match").is_some_and(|etags| !lists(etags, source))
        || named("if-none-match").is_some_and(|etags| lists(etags, source))
        || named("if-unmodified-since").is_some_and(|date| is_newer(source, date))
        || named("if-modified-since").is_some_and(|date| !is_newer(source, date));
    if fails { Err(PRECONDITION_FAILED) } else { Ok(()) }
}

fn lists(etags: &str, object: &Object) -> bool {
    etags.trim() == "*"
        || etags.split(',').any(|etag| etag.trim().trim_matches('"') == object.etag.trim_matches('"'))
}

/// HTTP dates have whole seconds. An invalid date counts as absent.
fn is_newer(object: &Object, date: &str) -> bool {
    let second = |time: SystemTime| {
        time.duration_since(SystemTime::UNIX_EPOCH).map(|age| Duration::from_secs(age.as_secs()))
    };
    httpdate::parse_http_date(date).is_ok_and(|date| second(object.modified).ok() > second(date).ok())
}
