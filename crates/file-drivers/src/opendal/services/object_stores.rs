//! Object stores with a protocol of their own.

use super::*;

const FLAT: Service = Service {
    name: "",
    about: "",
    is_built: false,
    options: &[],
    names: Names::Trimmed,
    folds_names: false,
    space: Space::Flat,
    writing: Writing::Direct,
    upload: Upload { is_streamed: true, parts_above: Some(100 * MIB) },
    longest: Longest { name: usize::MAX, path: 1024 },
    max_size: 5 * TIB,
    identity: Identity::Tag,
    precision: 1000,
    removal: Removal::Empty,
    renaming: Renaming::Copied,
    is_sorted: true,
    evidence: Evidence::Never,
    notes: "",
};

pub(super) const ROWS: &[Service] = &[
    Service {
        name: "b2",
        about: "Backblaze B2 by its native API. Its S3 API, by `type = \"s3\"`, keeps more of S3.",
        is_built: cfg!(feature = "service-b2"),
        options: &[
            required("bucket", "The bucket's name."),
            required("bucket_id", "The bucket's id."),
            required("application_key_id", "The id of an application key."),
            secret("application_key", "The application key."),
        ],
        space: Space::FlatByListing,
        longest: Longest { name: 250, path: 1024 },
        max_size: 10_000_000_000_000,
        precision: 1,
        evidence: Evidence::Fake,
        notes: "Names have at most 250 bytes between slashes and 1,024 in all. What is removed or replaced stays as an older version until \
                a lifecycle rule of the bucket removes it; so do parts of uploads that were cut short.",
        ..FLAT
    },
    Service {
        name: "swift",
        about: "OpenStack Object Storage.",
        is_built: cfg!(feature = "service-swift"),
        options: &[
            required("endpoint", "The URL of the account: `https://swift.example.com/v1/AUTH_account`."),
            required("container", "The container. It has to be there."),
            perhaps_secret("token", "A token. Tokens end: `auth_url` gets new ones."),
            optional(
                "auth_url",
                "Where tokens are got: `…/auth/v1.0` (TempAuth, `X-Auth-User`), or Keystone's `…/v3`.",
            ),
            optional("username", "The user there: `account:user` for TempAuth."),
            perhaps_secret("password", "The password, or TempAuth's key."),
            optional("project", "Keystone's project."),
            optional("user_domain", "Keystone's domain of the user; without it `Default`."),
            optional("project_domain", "Keystone's domain of the project; without it `Default`."),
        ],
        max_size: 5 * GIB * 1000,
        evidence: Evidence::Server("OpenStack Swift 2.38"),
        notes: "Files above 100 MiB are static large objects, whose segments lie in `.segments` of the container: they stay when such \
                a file is replaced.",
        ..FLAT
    },
    Service {
        name: "oss",
        about: "Alibaba Cloud Object Storage Service.",
        is_built: cfg!(feature = "service-oss"),
        options: &[
            required("bucket", "The bucket."),
            required("endpoint", "`https://oss-cn-hangzhou.aliyuncs.com`"),
            optional("access_key_id", "The id of the access key."),
            perhaps_secret("access_key_secret", "The access key's secret."),
            perhaps_secret("security_token", "Of temporary credentials."),
            optional("addressing_style", "`virtual`, `path` or `cname`; without it `virtual`."),
            optional("server_side_encryption", "`AES256`, `KMS` or `SM4`."),
            optional("server_side_encryption_key_id", "Of KMS."),
            optional("role_arn", "A role to take."),
            optional("role_session_name", "The name of its session."),
            optional("oidc_provider_arn", "Of RAM roles for service accounts."),
            optional("oidc_token_file", "Of RAM roles for service accounts."),
            optional("sts_endpoint", "Of the token service."),
            optional("external_id", "Of the role."),
            optional("skip_signature", "`true` for public buckets."),
        ],
        max_size: 48 * TIB,
        ..FLAT
    },
    Service {
        name: "cos",
        about: "Tencent Cloud Object Storage.",
        is_built: cfg!(feature = "service-cos"),
        options: &[
            required("bucket", "The bucket, with the number behind it: `photos-1250000000`."),
            required("endpoint", "`https://cos.ap-singapore.myqcloud.com`"),
            optional("secret_id", "The id of the key."),
            perhaps_secret("secret_key", "The key."),
            perhaps_secret("security_token", "Of temporary credentials."),
            optional("disable_config_load", "`true`: no credentials from the environment."),
        ],
        // Signatures cover the length of a body.
        upload: Upload { is_streamed: false, parts_above: Some(16 * MIB) },
        max_size: 48 * TIB,
        ..FLAT
    },
    Service {
        name: "obs",
        about: "Huawei Cloud Object Storage Service.",
        is_built: cfg!(feature = "service-obs"),
        options: &[
            required("bucket", "The bucket."),
            required("endpoint", "`https://obs.cn-north-4.myhuaweicloud.com`"),
            optional("access_key_id", "The id of the access key."),
            perhaps_secret("secret_access_key", "The secret access key."),
        ],
        max_size: 48 * TIB,
        ..FLAT
    },
    Service {
        name: "tos",
        about: "Volcengine Tinder Object Storage.",
        is_built: cfg!(feature = "service-tos"),
        options: &[
            required("bucket", "The bucket."),
            required("endpoint", "`https://tos-cn-beijing.volces.com`"),
            optional("region", "`cn-beijing`"),
            optional("access_key_id", "The id of the access key."),
            perhaps_secret("secret_access_key", "The secret access key."),
            perhaps_secret("security_token", "Of temporary credentials."),
            optional("disable_config_load", "`true`: no credentials from the environment."),
            optional("skip_signature", "`true` for public buckets."),
        ],
        upload: Upload { is_streamed: false, parts_above: Some(16 * MIB) },
        max_size: 48 * TIB,
        ..FLAT
    },
    Service {
        name: "upyun",
        about: "UPYUN storage.",
        is_built: cfg!(feature = "service-upyun"),
        options: &[
            required("bucket", "The service's name."),
            required("operator", "The operator's name."),
            secret("password", "The operator's password."),
        ],
        space: Space::FoldersByName,
        upload: Upload { is_streamed: false, parts_above: Some(16 * MIB) },
        identity: Identity::Time,
        renaming: Renaming::Native,
        is_sorted: false,
        ..FLAT
    },
    Service {
        name: "vercel-blob",
        about: "Vercel Blob.",
        is_built: cfg!(feature = "service-vercel-blob"),
        options: &[secret("token", "The read-write token of the store.")],
        upload: Upload { is_streamed: false, parts_above: Some(16 * MIB) },
        identity: Identity::Time,
        precision: 1,
        writing: Writing::Never("what was replaced is served on by its caches"),
        ..FLAT
    },
];
