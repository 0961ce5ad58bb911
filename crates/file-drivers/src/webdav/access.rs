//! The credentials for the server: a name and password, or a token. They are sent with every request, so the
//! server needs no challenge.

use crate::{
    backend::wire::{Sign, Unsigned},
    model::Secret,
    store::{
        Result,
        error::{StoreError, StoreErrorKind},
    },
};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, header, request::Parts};
use std::{fmt, sync::Arc};

#[derive(Debug, Clone, Default)]
pub enum Access {
    #[default]
    Anonymous,
    /// RFC 7617. The password is readable for everybody on an unencrypted connection.
    Basic { user: String, password: Secret },
    /// A token (RFC 6750).
    Bearer(Secret),
}

impl Access {
    pub(super) fn signer(&self) -> Result<Arc<dyn Sign>> {
        let text = match self {
            Self::Anonymous => return Ok(Arc::new(Unsigned)),
            Self::Basic { user, .. } if user.contains(':') => {
                return Err(StoreError::new(StoreErrorKind::InvalidRequest, "a user name cannot have a ':'"));
            }
            Self::Basic { user, password } => {
                format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose())))
            }
            Self::Bearer(token) => format!("Bearer {}", token.expose()),
        };
        let senseless = |_| {
            StoreError::new(StoreErrorKind::InvalidRequest, "a token has characters that no header can have")
        };
        let mut value = HeaderValue::from_str(&text).map_err(senseless)?;
        value.set_sensitive(true);
        Ok(Arc::new(Constant(value)))
    }
}

struct Constant(HeaderValue);

impl fmt::Debug for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Constant")
    }
}

#[async_trait]
impl Sign for Constant {
    async fn sign(&self, head: &mut Parts) -> Result<()> {
        head.headers.insert(header::AUTHORIZATION, self.0.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn credentials_become_one_header_and_are_never_shown() {
        let basic = Access::Basic { user: "Aladdin".into(), password: Secret::new("open sesame") };
        for (access, expected) in [
            (basic, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            (Access::Bearer(Secret::new("mF_9.B5f")), "Bearer mF_9.B5f"),
        ] {
            let signer = access.signer().expect("makes sense");
            let mut head = http::Request::new(()).into_parts().0;
            signer.sign(&mut head).await.expect("signs");
            assert_eq!(head.headers["authorization"], expected);
            let shown = format!("{access:?} {signer:?} {:?}", head.headers);
            assert!(
                !shown.contains("sesame") && !shown.contains("mF_9") && !shown.contains("QWxh"),
                "{shown}"
            );
        }
        assert!(Access::Bearer(Secret::new("a\nb")).signer().is_err());
    }
}
