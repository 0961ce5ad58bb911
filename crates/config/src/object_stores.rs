//! Settings of backends that are object stores reached over HTTP.

use super::{
    error::ConfigErrors,
    http::Http,
    secret::SecretSetting,
    section::{Fallback, Reader, Row, Section, section},
    value::{Addressing, Promise, Setting},
};
use crate::model::Endpoint;
use Fallback::{Text, Unset};

section! {
    /// `type = "s3"`: a storage that speaks S3: AWS, MinIO, Cloudflare R2, Wasabi, Backblaze B2, DigitalOcean
    /// Spaces, Ceph and the like. Without keys or a profile, credentials come from the environment, `~/.aws`,
    /// a web identity, or the metadata of the container or instance.
    S3Backend {
        /// Where it is.
        endpoint: Option<Endpoint> = Unset("AWS, by `region`"),
        /// The region that requests are signed for.
        region: String = Text("us-east-1"),
        /// One bucket there that holds all of this backend's buckets, each under its own prefix.
        bucket: Option<String> = Unset("each bucket is one of the same name there"),
        /// `path` names the bucket in the path, `virtual` in the host name; `auto` is `virtual` on AWS and
        /// `path` elsewhere.
        addressing: Addressing = Text("auto"),
        /// The access key id.
        access_key: Option<String> = Unset("looked for where AWS's tools do"),
        /// The secret access key.
        secret_key: Option<SecretSetting> = Unset("as `access_key`"),
        /// The token of temporary keys.
        session_token: Option<SecretSetting> = Unset("none"),
        /// The profile of `~/.aws` to use.
        profile: Option<String> = Unset("that of the environment"),
        /// Send requests without a signature: for public buckets.
        anonymous: bool = Text("false"),
        /// Whether it checks `If-Match` and `If-None-Match` of writes at the moment of publishing. `auto`
        /// tries it out when it matters first; where it does not, such requests are refused with 501.
        conditional_writes: Promise = Text("auto"),
        /// Whether it keeps the checksums of the `x-amz-checksum-` headers. Where it does not, they are
        /// verified and forgotten. For SHA512, MD5 and the XXHASHes, `yes` has no effect: each is tried out
        /// when it is first used.
        checksums: Promise = Text("auto"),
        ..http: Http = ("30s", "256"),
    }
}

section! {
    /// `type = "gcs"`: Google Cloud Storage, by its XML API. Without a key of either kind, credentials come
    /// from `GOOGLE_APPLICATION_CREDENTIALS`, gcloud's own file, a workload identity, or the metadata server.
    GcsBackend {
        /// Where it is.
        endpoint: Endpoint = Text("https://storage.googleapis.com"),
        /// The project that new buckets belong to.
        project: Option<String> = Unset("that of the credentials"),
        /// One bucket there that holds all of this backend's buckets, each under its own prefix.
        bucket: Option<String> = Unset("each bucket is one of the same name there"),
        /// The JSON of a service account or of an external account.
        credentials: Option<SecretSetting> = Unset("looked for where Google's tools do"),
        /// An access token instead, as `gcloud auth print-access-token` prints it: for trying things out,
        /// since it expires.
        access_token: Option<SecretSetting> = Unset("none"),
        /// The access id of an HMAC key, instead of an account. Such keys sign requests of S3's own dialect,
        /// which GCS understands without its preconditions: conditional writes are refused.
        access_key: Option<String> = Unset("none"),
        /// The secret of that HMAC key.
        secret_key: Option<SecretSetting> = Unset("none"),
        /// Send requests without credentials: for public buckets.
        anonymous: bool = Text("false"),
        ..http: Http = ("30s", "256"),
    }
}

section! {
    /// `type = "azblob"`: Azure Blob Storage. Without a connection string, key, SAS or client secret,
    /// credentials come from the environment, a workload identity, or the managed identity of the machine.
    AzblobBackend {
        /// The connection string as the portal shows it: names the account, its endpoint and a key or SAS.
        connection_string: Option<SecretSetting> = Unset("none"),
        /// The storage account.
        account: Option<String> = Unset("that of the connection string"),
        /// Where it is.
        endpoint: Option<Endpoint> = Unset("`https://ACCOUNT.blob.core.windows.net`"),
        /// One container there that holds all of this backend's buckets, each under its own prefix.
        container: Option<String> = Unset("each bucket is a container of its name, as far as Azure takes it"),
        /// The account's key.
        account_key: Option<SecretSetting> = Unset("none"),
        /// A shared access signature.
        sas: Option<SecretSetting> = Unset("none"),
        /// The Entra tenant of `client_id`.
        tenant_id: Option<String> = Unset("none"),
        /// An Entra application, or a managed identity.
        client_id: Option<String> = Unset("none"),
        /// The secret of that application.
        client_secret: Option<SecretSetting> = Unset("none"),
        ..http: Http = ("30s", "256"),
    }
}
