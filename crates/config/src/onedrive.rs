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
    /// `type = "onedrive"`: OneDrive, for work or personal, and document libraries of SharePoint, by
    /// Microsoft Graph. Object `a/b.jpg` of a bucket is the file `a/b.jpg` in the bucket's folder. What S3
    /// knows beyond that is in the catalog. Access is by a person's `refresh_token` (scopes
    /// `Files.ReadWrite.All offline_access`), or by `client_id` and `client_secret` of an application that
    /// acts for itself (with `tenant` and `drive`).
    OnedriveBackend {
        /// The id of the application that is registered with Microsoft.
        client_id: String = Required,
        /// Its secret. Public clients that act for a person have none.
        client_secret: Option<SecretSetting> = Unset("none"),
        /// The token that it got for a person, as `causeway backend authorize` gets it. Microsoft gives out
        /// newer ones: they are kept below `server.spool`, and used as long as this one is configured.
        refresh_token: Option<SecretSetting> = Unset("the application acts for itself"),
        /// The directory that knows the person or the application: its id or domain, or `consumers`.
        tenant: String = Text("common"),
        /// The id of a drive or document library.
        drive: Option<String> = Unset("the person's own"),
        /// A path of folders to the one that holds the buckets. They are made if they are missing.
        root: String = Text(""),
        /// Where the API is.
        endpoint: Endpoint = Text("https://graph.microsoft.com/v1.0"),
        /// Where people and applications are let in: `/TENANT/oauth2/v2.0/token` is there, and so are its
        /// siblings.
        login_endpoint: Endpoint = Text("https://login.microsoftonline.com"),
        ..http: Http = ("60s", "32"),
    }
}
