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
    /// `type = "webdav"`: a folder of a WebDAV server: Nextcloud, ownCloud, Koofr, Apache, rclone and the
    /// like. Object `a/b.jpg` of a bucket is the file `a/b.jpg` in the bucket's folder. What S3 knows beyond
    /// that is in the catalog.
    WebdavBackend {
        /// The folder that holds the buckets, which has to be there:
        /// `https://cloud.example.com/remote.php/dav/files/alice/objects`. Redirects are not followed.
        url: Endpoint = Required,
        /// The user name, for basic authentication.
        user: Option<String> = Unset("no authentication"),
        /// The password: of an app, where the server has such.
        password: Option<SecretSetting> = Unset("none"),
        /// A bearer token, instead of a user.
        token: Option<SecretSetting> = Unset("none"),
        /// Whether keys with `?`, `#` or `;` lie under escaped names: for servers that cannot move files to
        /// such names, as WsgiDAV. Without it these answer 400 to such keys; with it, files that others gave
        /// such names are not seen.
        escapes_marks: bool = Text("false"),
        ..http: Http = ("30s", "64"),
    }
}
