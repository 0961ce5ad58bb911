//! The service that issues tokens: to a person's browser (RFC 6749 section 4.1 with RFC 7636), to a device
//! with a code (RFC 8628), for a refresh token, and to service accounts (RFC 7523), whose signature is not
//! verified.

use super::{
    CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, Shared,
    wire::{Reply, empty, json_reply},
};
use causeway::model::Timestamp;
use http::{HeaderValue, Request};
use serde_json::json;

const CODE: &str = "4/drive code";
const DEVICE_CODE: &str = "drive-device-code";

struct Fields(Vec<(String, String)>);

impl Fields {
    fn of(text: &str) -> Self {
        let decoded =
            |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        Self(
            text.split('&')
                .filter_map(|pair| pair.split_once('='))
                .map(|(a, b)| (decoded(a), decoded(b)))
                .collect(),
        )
    }

    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }
}

pub(super) fn route(shared: &Shared, request: &Request<()>, body: &[u8]) -> Option<Reply> {
    let form = Fields::of(&String::from_utf8_lossy(body));
    match request.uri().path() {
        "/token" => Some(token(shared, &form)),
        "/device/code" => Some(device(&form)),
        "/authorize" => Some(page(shared, &Fields::of(request.uri().query().unwrap_or_default()))),
        _ => None,
    }
}

/// The page on which a person agrees; here it agrees at once.
fn page(shared: &Shared, query: &Fields) -> Reply {
    let wanted = [
        ("client_id", CLIENT_ID),
        ("response_type", "code"),
        ("scope", "https://www.googleapis.com/auth/drive"),
        ("code_challenge_method", "S256"),
        ("access_type", "offline"),
    ];
    let redirect = query.get("redirect_uri");
    if wanted.iter().any(|(name, value)| query.get(name) != *value)
        || !redirect.starts_with("http://127.0.0.1:")
    {
        return empty(400);
    }
    shared.told().challenge = Some(query.get("code_challenge").to_owned());
    let mut reply = empty(302);
    let to = format!(
        "{redirect}/?state={}&code={}&scope=x",
        query.get("state"),
        CODE.replace('/', "%2F").replace(' ', "%20")
    );
    reply.headers_mut().insert("location", HeaderValue::from_str(&to).expect("an address"));
    reply
}

fn device(form: &Fields) -> Reply {
    if form.get("client_id") != CLIENT_ID || form.get("scope") != "https://www.googleapis.com/auth/drive.file"
    {
        return json_reply(400, &json!({ "error": "invalid_scope" }));
    }
    let page = "https://www.google.com/device";
    json_reply(
        200,
        &json!({ "device_code": DEVICE_CODE, "user_code": "GQVQ-JKEC", "verification_url": page, "expires_in": 1800, "interval": 0 }),
    )
}

fn token(shared: &Shared, form: &Fields) -> Reply {
    let refused = |status, error: &str| {
        json_reply(status, &json!({ "error": error, "error_description": "as the test wanted" }))
    };
    let mut told = shared.told();
    let is_ours = (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET);
    let fresh = match form.get("grant_type") {
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => {
            if is_assertion(form.get("assertion"), &format!("{}/token", shared.endpoint())) {
                false
            } else {
                return refused(400, "invalid_grant");
            }
        }
        _ if !is_ours => return refused(401, "invalid_client"),
        "refresh_token" if form.get("refresh_token") != REFRESH_TOKEN || told.refuses_grants => {
            return refused(400, "invalid_grant");
        }
        "refresh_token" => false,
        "authorization_code" => {
            // A code can be used once.
            let challenge = told.challenge.take();
            if form.get("code") == CODE && challenge == Some(challenge_of(form.get("code_verifier"))) {
                true
            } else {
                return refused(400, "invalid_grant");
            }
        }
        "urn:ietf:params:oauth:grant-type:device_code" if form.get("device_code") != DEVICE_CODE => {
            return refused(400, "invalid_grant");
        }
        "urn:ietf:params:oauth:grant-type:device_code" => match told.waits.checked_sub(1) {
            Some(waits) => {
                told.waits = waits;
                return refused(428, "authorization_pending");
            }
            None => true,
        },
        _ => return refused(400, "unsupported_grant_type"),
    };
    let token = format!("drive-token-{}", told.tokens);
    let mut answer = json!({ "access_token": token, "expires_in": told.life, "token_type": "Bearer" });
    if fresh {
        answer["refresh_token"] = json!(REFRESH_TOKEN);
    }
    json_reply(200, &answer)
}

fn challenge_of(verifier: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, verifier.as_bytes()))
}

fn is_assertion(assertion: &str, audience: &str) -> bool {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let parts: Vec<&str> = assertion.split('.').collect();
    let &[head, claims, signature] = parts.as_slice() else { return false };
    let json = |part| serde_json::from_slice::<serde_json::Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    let (Some(head), Some(claims)) = (json(head), json(claims)) else { return false };
    let now = Timestamp::now().seconds();
    let time = |name: &str| claims[name].as_i64().unwrap_or(0);
    head["alg"] == "RS256"
        && claims["aud"] == audience
        && claims["scope"] == "https://www.googleapis.com/auth/drive"
        && claims["iss"].is_string()
        && (now - 60..=now + 60).contains(&time("iat"))
        && time("exp") - time("iat") <= 3600
        && !signature.is_empty()
}
