//! Settings of OneDrive and SharePoint as a backend.

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
    /// `type = "onedrive"`: OneDrive, for work or personal, and document libraries of SharePoint, through
    /// Microsoft Graph. Object `a/b.jpg` of a bucket is the file `a/b.jpg` in the bucket's folder. What S3
    /// knows beyond that is in the catalog. Access is by a person's `refresh_token` (scopes
    /// `Files.ReadWrite.All offline_access`), or by `client_id` and `client_secret` of an application that
    /// acts for itself (with `tenant` and `drive`).
    OnedriveBackend {
        /// The id of the application that is registered with Microsoft.
        client_id: String = Required,
        /// The secret of the application. Public clients that act for a person have none.
        client_secret: Option<SecretSetting> = Unset("none"),
        /// The token that the application got for a person. `causeway backend authorize` obtains it.
        /// Microsoft issues newer tokens: they are kept below `server.spool`, and used as long as this token
        /// is configured.
        refresh_token: Option<SecretSetting> = Unset("the application acts for itself"),
        /// The directory of the person or the application: its id or domain, or `consumers`.
        tenant: String = Text("common"),
        /// The id of a drive or document library.
        drive: Option<String> = Unset("the person's own"),
        /// The path of the folder that holds the buckets. Missing folders are created.
        root: String = Text(""),
        /// The address of the API.
        endpoint: Endpoint = Text("https://graph.microsoft.com/v1.0"),
        /// The address where people and applications log in: `/TENANT/oauth2/v2.0/token` and its siblings are
        /// below it.
        login_endpoint: Endpoint = Text("https://login.microsoftonline.com"),
        ..http: Http = ("60s", "32"),
    }
}
