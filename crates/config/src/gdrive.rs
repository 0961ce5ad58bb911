//! Settings of Google Drive as a backend.

use super::{
    error::ConfigErrors,
    http::Http,
    secret::SecretSetting,
    section::{Fallback, Reader, Row, Section, section},
    value::Setting,
};
use crate::model::Endpoint;
use Fallback::{Text, Unset};

section! {
    /// `type = "gdrive"`: Google Drive. Object `a/b.jpg` of a bucket is the file `a/b.jpg` in the bucket's
    /// folder. What S3 knows beyond that is in the catalog. Access is by `client_id`, `client_secret` and
    /// `refresh_token`, or by `service_account`; the scope is `https://www.googleapis.com/auth/drive`.
    GdriveBackend {
        /// The OAuth client that was authorized.
        client_id: Option<String> = Unset("none"),
        /// Its secret.
        client_secret: Option<SecretSetting> = Unset("none"),
        /// The token that it got for a person's drive.
        refresh_token: Option<SecretSetting> = Unset("none"),
        /// The JSON of a service account's key, instead.
        service_account: Option<SecretSetting> = Unset("none"),
        /// The user of the domain that the service account acts for.
        subject: Option<String> = Unset("itself"),
        /// The id of a shared drive.
        drive: Option<String> = Unset("My Drive"),
        /// The id of the folder that holds everything: the end of its address in a browser.
        folder: Option<String> = Unset("the top of the drive"),
        /// A path of folders from there to the one that holds the buckets. They are made if they are missing.
        root: String = Text(""),
        /// Whether what is deleted or replaced goes to the trash, where it counts as used for 30 days; else
        /// it is gone at once.
        trash: bool = Text("true"),
        /// Where the API is.
        endpoint: Endpoint = Text("https://www.googleapis.com"),
        /// Where tokens are got.
        token_endpoint: Endpoint = Text("https://oauth2.googleapis.com/token"),
        /// The page that asks a person: for `causeway backend authorize`.
        authorize_endpoint: Endpoint = Text("https://accounts.google.com/o/oauth2/v2/auth"),
        /// Where codes for other devices are got: for `causeway backend authorize --device`.
        device_endpoint: Endpoint = Text("https://oauth2.googleapis.com/device/code"),
        ..http: Http = ("60s", "64"),
    }
}
