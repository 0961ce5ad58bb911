//! Settings of WebDAV servers as backends.

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
    /// `type = "webdav"`: a folder of a WebDAV server: Nextcloud, ownCloud, Koofr, Apache, rclone and others.
    /// Object `a/b.jpg` of a bucket is the file `a/b.jpg` in the bucket's folder. What S3 knows beyond that
    /// is in the catalog.
    WebdavBackend {
        /// The folder that holds the buckets. It must exist:
        /// `https://cloud.example.com/remote.php/dav/files/alice/objects`. Redirects are not followed.
        url: Endpoint = Required,
        /// The user name, for basic authentication.
        user: Option<String> = Unset("no authentication"),
        /// The password. Some servers issue passwords for applications: use one of these.
        password: Option<SecretSetting> = Unset("none"),
        /// A bearer token, instead of a user.
        token: Option<SecretSetting> = Unset("none"),
        /// Whether keys with `?`, `#` or `;` are stored under escaped names: for servers such as WsgiDAV,
        /// which cannot move files to names with these characters. Without it, such servers answer 400 to
        /// these keys. With it, files that were created with such names outside Causeway are not seen.
        escapes_marks: bool = Text("false"),
        ..http: Http = ("30s", "64"),
    }
}
