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
        /// The secret of the application. Applications that were authorized with PKCE need none.
        client_secret: Option<SecretSetting> = Unset("none"),
        /// The token that the application got for a person. `causeway backend authorize` obtains it.
        refresh_token: Option<SecretSetting> = Unset("none: nothing works before"),
        /// The path of the folder that holds the buckets. Missing folders are created.
        root: String = Text(""),
        /// The address of the API.
        endpoint: Endpoint = Text("https://api.dropboxapi.com"),
        /// The address of the API for the content of files.
        content_endpoint: Endpoint = Text("https://content.dropboxapi.com"),
        /// The page where a person authorizes the application.
        authorize_endpoint: Endpoint = Text("https://www.dropbox.com/oauth2/authorize"),
        /// The address that issues tokens.
        token_endpoint: Endpoint = Text("https://api.dropboxapi.com/oauth2/token"),
        ..http: Http = ("60s", "32"),
    }
}
