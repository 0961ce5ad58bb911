//! Settings of backends that are object stores reached over HTTP.

use super::{
    choice::{Addressing, Promise},
    error::ConfigErrors,
    http::Http,
    secret::SecretSetting,
    section::{Fallback, Reader, Row, Section, section},
    value::Setting,
};
use crate::model::Endpoint;
use Fallback::{Text, Unset};

section! {
    /// `type = "s3"`: a storage that speaks S3: AWS, MinIO, Cloudflare R2, Wasabi, Backblaze B2, DigitalOcean
    /// Spaces, Ceph and others. Without keys or a profile, credentials come from the environment, `~/.aws`, a
    /// web identity, or the metadata of the container or instance.
    S3Backend {
        /// The address of the storage.
        endpoint: Option<Endpoint> = Unset("AWS, by `region`"),
        /// The region that requests are signed for.
        region: String = Text("us-east-1"),
        /// One bucket of the storage that holds all of this backend's buckets, each under its own prefix.
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
        /// Whether the storage checks `If-Match` and `If-None-Match` of writes at the moment of publishing.
        /// `auto` probes this when it first matters. If the storage does not check them, such requests are
        /// refused with 501.
        conditional_writes: Promise = Text("auto"),
        /// Whether the storage keeps the checksums of the `x-amz-checksum-` headers. If it does not, they are
        /// verified and not stored. For SHA512, MD5 and the XXHASHes, `yes` has no effect: each is probed
        /// when it is first used.
        checksums: Promise = Text("auto"),
        ..http: Http = ("30s", "256"),
    }
}

section! {
    /// `type = "gcs"`: Google Cloud Storage, by its XML API. Without a key of either kind, credentials come
    /// from `GOOGLE_APPLICATION_CREDENTIALS`, gcloud's own file, a workload identity, or the metadata server.
    GcsBackend {
        /// The address of the storage.
        endpoint: Endpoint = Text("https://storage.googleapis.com"),
        /// The project that new buckets belong to.
        project: Option<String> = Unset("that of the credentials"),
        /// One bucket of the storage that holds all of this backend's buckets, each under its own prefix.
        bucket: Option<String> = Unset("each bucket is one of the same name there"),
        /// The JSON of a service account or of an external account.
        credentials: Option<SecretSetting> = Unset("looked for where Google's tools do"),
        /// An access token instead, as `gcloud auth print-access-token` prints it. It expires, so it is for
        /// trials only.
        access_token: Option<SecretSetting> = Unset("none"),
        /// The access id of an HMAC key, instead of an account. Such keys sign requests in the dialect of S3.
        /// GCS accepts these without its preconditions: conditional writes are refused.
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
        /// The connection string, as the portal shows it: it names the account, its endpoint, and a key or a
        /// SAS.
        connection_string: Option<SecretSetting> = Unset("none"),
        /// The storage account.
        account: Option<String> = Unset("that of the connection string"),
        /// The address of the storage.
        endpoint: Option<Endpoint> = Unset("`https://ACCOUNT.blob.core.windows.net`"),
        /// One container of the storage that holds all of this backend's buckets, each under its own prefix.
        container: Option<String> = Unset("each bucket is a container of its name, as far as Azure takes it"),
        /// The account's key.
        account_key: Option<SecretSetting> = Unset("none"),
        /// A shared access signature.
        sas: Option<SecretSetting> = Unset("none"),
        /// The Entra tenant of `client_id`.
        tenant_id: Option<String> = Unset("none"),
        /// The client id of an Entra application, or of a managed identity.
        client_id: Option<String> = Unset("none"),
        /// The secret of that application.
        client_secret: Option<SecretSetting> = Unset("none"),
        ..http: Http = ("30s", "256"),
    }
}
