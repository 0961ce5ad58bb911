//! A provider of OpenID Connect: discovery, keys, tokens, and the authorization code flow with PKCE.
//!
//! It has no page at which people sign in: [`Provider::authorize`] does what a person with a browser would do.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    digest,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

pub const CLIENT: &str = "gateway client";
pub const CLIENT_SECRET: &str = "client:secret";

/// Answers until the process ends.
pub struct Provider {
    pub issuer: String,
    inner: Arc<Inner>,
}

struct Inner {
    issuer: String,
    key: EcdsaKeyPair,
    /// What codes stand for.
    grants: Mutex<HashMap<String, Grant>>,
}

struct Grant {
    challenge: String,
    redirect: String,
    token: String,
}

impl Provider {
    pub fn start() -> Self {
        let random = SystemRandom::new();
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let issuer = format!("http://{}/realm", listener.local_addr().expect("an address"));
        let inner = Inner { issuer: issuer.clone(), key: key.expect("a key"), grants: Mutex::default() };
        let inner = Arc::new(inner);
        let answering = inner.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answering.converse(stream.expect("a connection"));
            }
        });
        Self { issuer, inner }
    }

    /// A provider with its own key and the name of this one.
    pub fn forged(&self) -> Self {
        Self { issuer: self.issuer.clone(), inner: Self::start().inner }
    }

    pub fn token(&self, subject: &str) -> String {
        self.inner.token(&self.issuer, &format!(r#""sub":"{subject}","aud":"causeway""#))
    }

    /// Signs somebody in at the address that the gateway has sent a browser to. `claims` are further claims of
    /// the ID token. Returns the query with which the browser goes back.
    pub fn authorize(&self, location: &str, subject: &str, claims: &str) -> String {
        let (address, query) = location.split_once('?').expect("a query");
        assert_eq!(address, format!("{}/authorize", self.issuer));
        let asked: HashMap<String, String> = pairs(query);
        let get = |name: &str| asked.get(name).unwrap_or_else(|| panic!("no {name}: {location}")).as_str();
        assert_eq!((get("response_type"), get("client_id")), ("code", CLIENT));
        assert_eq!((get("code_challenge_method"), get("code_challenge").len()), ("S256", 43));
        assert!(get("scope").split(' ').any(|scope| scope == "openid"), "{location}");
        let claims = format!(r#""sub":"{subject}","aud":"{CLIENT}","nonce":"{}"{claims}"#, get("nonce"));
        let grant = Grant {
            challenge: get("code_challenge").to_owned(),
            redirect: get("redirect_uri").to_owned(),
            token: self.inner.token(&self.issuer, &claims),
        };
        let mut grants = self.inner.grants.lock().expect("grants");
        let code = format!("code {}", grants.len());
        grants.insert(code.clone(), grant);
        format!("code={}&state={}&iss={}", encoded(&code), get("state"), encoded(&self.issuer))
    }
}

impl Inner {
    fn token(&self, issuer: &str, claims: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let claims = format!(r#"{{"iss":"{issuer}","exp":{},"iat":{now},{claims}}}"#, now + 300);
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","kid":"k"}"#);
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).expect("signed");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn converse(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        let (mut line, mut lines) = (String::new(), Vec::new());
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            lines.push(line.trim_end().to_owned());
            line.clear();
        }
        let header = |name: &str| {
            let found = lines.iter().filter_map(|line| line.split_once(": "));
            found
                .filter(|(found, _)| found.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.to_owned())
                .next()
        };
        let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        let _ = reader.read_exact(&mut body);
        let path = lines.first().and_then(|first| first.split(' ').nth(1)).unwrap_or_default();
        let (status, body) = match path {
            "/realm/.well-known/openid-configuration" => ("200 OK", self.discovery()),
            "/realm/keys" => ("200 OK", self.keys()),
            "/realm/token" => {
                let form = String::from_utf8(body).expect("a form");
                self.redeem(&form, header("authorization").as_deref())
            }
            _ => ("404 Not Found", String::new()),
        };
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        // The gateway may have given up.
        let _ = stream.write_all(format!("{head}{body}").as_bytes());
    }

    fn discovery(&self) -> String {
        let issuer = &self.issuer;
        format!(
            r#"{{"issuer":"{issuer}","jwks_uri":"{issuer}/keys","authorization_endpoint":"{issuer}/authorize","token_endpoint":"{issuer}/token"}}"#
        )
    }

    fn keys(&self) -> String {
        let point = self.key.public_key().as_ref();
        let part = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
        format!(
            r#"{{"keys":[{{"kty":"EC","crv":"P-256","kid":"k","x":"{}","y":"{}"}}]}}"#,
            part(1..33),
            part(33..65)
        )
    }

    /// A code counts once, for the client, with the verifier of its challenge.
    fn redeem(&self, form: &str, authorization: Option<&str>) -> (&'static str, String) {
        let client = STANDARD.encode(format!("{}:{}", encoded(CLIENT), encoded(CLIENT_SECRET)));
        if authorization != Some(&format!("Basic {client}")) {
            return ("401 Unauthorized", r#"{"error":"invalid_client"}"#.to_owned());
        }
        let form = pairs(form);
        let get = |name: &str| form.get(name).cloned().unwrap_or_default();
        let grant = self.grants.lock().expect("grants").remove(&get("code"));
        let challenge =
            URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, get("code_verifier").as_bytes()));
        let is_good = |grant: &Grant| {
            grant.challenge == challenge
                && grant.redirect == get("redirect_uri")
                && get("grant_type") == "authorization_code"
        };
        match grant.filter(is_good) {
            Some(grant) => ("200 OK", format!(r#"{{"access_token":"x","id_token":"{}"}}"#, grant.token)),
            None => ("400 Bad Request", r#"{"error":"invalid_grant"}"#.to_owned()),
        }
    }
}

pub fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn pairs(text: &str) -> HashMap<String, String> {
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text).decode_utf8().expect("UTF-8").into_owned()
    };
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}
