//! Sessions of an account that are begun without a request: for commands of the operator on this machine.

use crate::{
    directory::Directory,
    model::{Identity, Secret, Timestamp},
    session::{Claims, Credentials, Holder},
};
use std::io;

/// Temporary credentials.
#[derive(Debug)]
pub struct BegunSession {
    pub access_key: String,
    pub secret: Secret,
    pub token: Secret,
}

impl Directory {
    /// Begins a session of an account itself. It ends after `seconds`, or with the access key of the account.
    pub fn begin_session(
        &self,
        account: &Identity,
        now: Timestamp,
        seconds: u32,
    ) -> io::Result<BegunSession> {
        let holder = Holder::Account { key: account.access_key.as_str().to_owned() };
        let Credentials { access_key, secret, token, .. } =
            Claims::begin(&*self.key()?, &account.owner.id, holder, now, seconds)?;
        Ok(BegunSession { access_key, secret, token: Secret::new(token) })
    }
}
