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
        /// The secret of that client.
        client_secret: Option<SecretSetting> = Unset("none"),
        /// The token that the client got for a person's drive.
        refresh_token: Option<SecretSetting> = Unset("none"),
        /// The JSON of a service account's key, used instead of a client.
        service_account: Option<SecretSetting> = Unset("none"),
        /// The user of the domain on whose behalf the service account acts.
        subject: Option<String> = Unset("itself"),
        /// The id of a shared drive.
        drive: Option<String> = Unset("My Drive"),
        /// The id of a folder that everything is below: the end of its address in a browser.
        folder: Option<String> = Unset("the top of the drive"),
        /// The path, from there, of the folder that holds the buckets. Missing folders are created.
        root: String = Text(""),
        /// Whether deleted and replaced files go to the trash, where they count as used space for 30 days.
        /// Otherwise they are deleted at once.
        trash: bool = Text("true"),
        /// The address of the API.
        endpoint: Endpoint = Text("https://www.googleapis.com"),
        /// The address that issues tokens.
        token_endpoint: Endpoint = Text("https://oauth2.googleapis.com/token"),
        /// The page where a person authorizes the client: for `causeway backend authorize`.
        authorize_endpoint: Endpoint = Text("https://accounts.google.com/o/oauth2/v2/auth"),
        /// The address that issues codes for other devices: for `causeway backend authorize --device`.
        device_endpoint: Endpoint = Text("https://oauth2.googleapis.com/device/code"),
        ..http: Http = ("60s", "64"),
    }
}
