//! The addresses at which people sign in and out: `/sign-in`, `/sign-in/callback`, `/sign-in/who`, `/sign-out`.
//!
//! Owns the cookies and the form of the answers. Does not own the flow (`iam::sign_in`).
//!
//! Invariants:
//! - both cookies are out of the reach of scripts, go over TLS only, and are sent by no page of another site
//!   but by following a link;
//! - nothing of a request is part of a page, and a redirect leads to addresses of the configuration or of the
//!   provider only;
//! - no page of another origin signs a person out;
//! - people who sign in do not keep health and metrics from being answered: a provider that is slow holds at
//!   most [`AT_ONCE`] of the connections.

use crate::{
    iam::sign_in::{PENDING as PENDING_SECONDS, SignIn, SignInError},
    model::{Chain, Timestamp},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use http_body_util::Full;
use tokio::sync::Semaphore;

/// `__Host-`: browsers take such a cookie only from this host, over TLS, for all its paths.
const SESSION: &str = "__Host-causeway-session";
const PENDING: &str = "__Host-causeway-sign-in";
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";
/// Maximum number of requests that wait for the provider.
const AT_ONCE: usize = 8;
/// The longest sealed value that is looked at: browsers keep 4 KiB for a cookie.
const LONGEST: usize = 4096;

/// The pages of a server at which people sign in.
#[derive(Debug)]
pub struct SignInPages {
    sign_in: SignIn,
    /// Where a person goes after the sign-in: a path.
    landing: String,
    /// The origin under which browsers know these pages.
    origin: String,
    permits: Semaphore,
}

impl SignInPages {
    pub fn new(sign_in: SignIn, landing: impl Into<String>, origin: impl Into<String>) -> Self {
        let permits = Semaphore::new(AT_ONCE);
        Self { sign_in, landing: landing.into(), origin: origin.into(), permits }
    }

    /// Whether a path is one of these pages.
    pub(super) fn has(path: &str) -> bool {
        path == "/sign-in" || path == "/sign-out" || path.starts_with("/sign-in/")
    }

    pub(super) async fn answer(&self, request: &Parts, now: Timestamp) -> Response<Full<Bytes>> {
        let mut response = match (&request.method, request.uri.path()) {
            (&Method::GET, "/sign-in") => self.begin(now).await,
            (&Method::GET, "/sign-in/callback") => self.complete(request, now).await,
            (&Method::GET, "/sign-in/who") => self.who(&request.headers, now),
            (&Method::POST, "/sign-out") => self.sign_out(&request.headers),
            (_, "/sign-in" | "/sign-in/callback" | "/sign-in/who" | "/sign-out") => {
                words(StatusCode::METHOD_NOT_ALLOWED, "")
            }
            _ => words(StatusCode::NOT_FOUND, ""),
        };
        for (name, value) in [
            (header::CACHE_CONTROL, "no-store"),
            // The address of the callback has the code.
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        ] {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }

    async fn begin(&self, now: Timestamp) -> Response<Full<Bytes>> {
        let Ok(_permit) = self.permits.try_acquire() else { return busy() };
        match self.sign_in.begin(now).await {
            Ok(begun) => {
                let mut response = redirect(&begun.location);
                set(&mut response, PENDING, begun.pending.expose(), PENDING_SECONDS.into());
                response
            }
            Err(error) => refuse(&error),
        }
    }

    async fn complete(&self, request: &Parts, now: Timestamp) -> Response<Full<Bytes>> {
        let Ok(_permit) = self.permits.try_acquire() else { return busy() };
        let query = request.uri.query().unwrap_or_default();
        let completed = self.sign_in.complete(query, cookie(&request.headers, PENDING), now).await;
        let mut response = match &completed {
            Ok(completed) => {
                let mut response = redirect(&self.landing);
                let seconds = completed.until.seconds() - now.seconds();
                set(&mut response, SESSION, completed.session.expose(), seconds);
                response
            }
            Err(error) => refuse(error),
        };
        // What was pending counts once. A callback that this browser did not begin takes nothing from one
        // that it did.
        if !matches!(completed, Err(SignInError::NotBegun)) {
            set(&mut response, PENDING, "", 0);
        }
        response
    }

    fn who(&self, headers: &HeaderMap, now: Timestamp) -> Response<Full<Bytes>> {
        let person = cookie(headers, SESSION).and_then(|session| self.sign_in.person(session, now));
        let (status, said) = match person {
            Some(person) => (
                StatusCode::OK,
                serde_json::json!({
                    "subject": person.subject,
                    "name": person.name,
                    "email": person.email,
                    "issuer": person.issuer,
                    "role": &*person.member.role_arn,
                    "arn": &*person.member.arn,
                    "expires": person.until.iso8601(),
                }),
            ),
            None => (StatusCode::UNAUTHORIZED, serde_json::json!({ "error": "nobody is signed in" })),
        };
        let mut response = words(status, &format!("{said}\n"));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }

    fn sign_out(&self, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let is = |name: &str, allowed: &[&str]| {
            headers
                .get_all(name)
                .iter()
                .all(|value| allowed.iter().any(|one| value.as_bytes() == one.as_bytes()))
        };
        if !is("origin", &[&self.origin]) || !is("sec-fetch-site", &["same-origin", "none"]) {
            return words(StatusCode::FORBIDDEN, "A page of another origin cannot sign you out.\n");
        }
        let mut response = words(StatusCode::NO_CONTENT, "");
        set(&mut response, SESSION, "", 0);
        response
    }
}

fn busy() -> Response<Full<Bytes>> {
    words(StatusCode::SERVICE_UNAVAILABLE, "Too many people sign in at once. Try again.\n")
}

fn refuse(error: &SignInError) -> Response<Full<Bytes>> {
    let status = match error {
        SignInError::NotBegun => StatusCode::BAD_REQUEST,
        SignInError::Refused | SignInError::NoRole => StatusCode::FORBIDDEN,
        SignInError::Failed(cause) => {
            tracing::warn!(error = %Chain(&**cause), "a person could not sign in");
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    words(status, &format!("{error}\n"))
}

fn words(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text.to_owned()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn redirect(to: &str) -> Response<Full<Bytes>> {
    let Ok(location) = HeaderValue::from_str(to) else {
        tracing::warn!("an identity provider names an address that no header can hold");
        return words(StatusCode::SERVICE_UNAVAILABLE, "");
    };
    let mut response = words(StatusCode::SEE_OTHER, "");
    response.headers_mut().insert(header::LOCATION, location);
    response
}

/// Sets a cookie for some seconds; 0 removes it.
fn set(response: &mut Response<Full<Bytes>>, name: &str, value: &str, seconds: i64) {
    // Sealed values are in the alphabet of base64.
    if let Ok(cookie) = HeaderValue::from_str(&format!("{name}={value}; Max-Age={seconds}; {ATTRIBUTES}")) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value).filter(|value| value.len() <= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; x__Host-causeway-session=no"));
        headers.append(header::COOKIE, HeaderValue::from_static("__Host-causeway-session=yes; b=2"));
        assert_eq!(cookie(&headers, SESSION), Some("yes"));
        assert_eq!(cookie(&headers, PENDING), None);
    }
}
