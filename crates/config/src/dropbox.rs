//! Settings of Dropbox as a backend.

use super::{
    error::ConfigErrors,
    http::Http,
    secret::SecretSetting,
    section::{Fallback, Reader, Row, Section, section},
    value::Setting,
};
use crate::model::Endpoint;
use Fallback::{Required, Text, Unset};

section! {
    /// `type = "dropbox"`: Dropbox. Object `a/b.jpg` of a bucket is the file `a/b.jpg` in the bucket's
    /// folder. What S3 knows beyond that is in the catalog. The application needs the scopes
    /// `files.metadata.read`, `files.content.read`, `files.metadata.write` and `files.content.write`.
    DropboxBackend {
        /// The key of the application that is registered with Dropbox.
        client_id: String = Required,
        /// Its secret. Applications that were authorized with PKCE need none.
        client_secret: Option<SecretSetting> = Unset("none"),
        /// The token that it got for a person, as `causeway backend authorize` gets it.
        refresh_token: Option<SecretSetting> = Unset("none: nothing works before"),
        /// A path of folders to the one that holds the buckets. They are made if they are missing.
        root: String = Text(""),
        /// Where the API is.
        endpoint: Endpoint = Text("https://api.dropboxapi.com"),
        /// Where the API takes and gives bytes.
        content_endpoint: Endpoint = Text("https://content.dropboxapi.com"),
        /// The page where a person lets the application in.
        authorize_endpoint: Endpoint = Text("https://www.dropbox.com/oauth2/authorize"),
        /// Where tokens are got.
        token_endpoint: Endpoint = Text("https://api.dropboxapi.com/oauth2/token"),
        ..http: Http = ("60s", "32"),
    }
}
