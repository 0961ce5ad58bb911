//! File systems of data lakes.

use super::*;

const LAKE: Service = Service {
    name: "",
    about: "",
    is_built: false,
    options: &[],
    names: Names::Trimmed,
    folds_names: false,
    space: Space::FoldersByName,
    writing: Writing::Renamed,
    upload: Upload { is_streamed: false, parts_above: Some(8 * MIB) },
    longest: Longest::ANY,
    max_size: 4 * TIB,
    identity: Identity::Tag,
    precision: 1000,
    removal: Removal::Empty,
    renaming: Renaming::Native,
    is_sorted: true,
    evidence: Evidence::Never,
    notes: "",
};

pub(super) const ROWS: &[Service] = &[
    Service {
        name: "azdls",
        about: "Azure Data Lake Storage Gen2, with a hierarchical namespace. Without one, `type = \"azblob\"` keeps more of S3.",
        is_built: cfg!(feature = "service-azdls"),
        options: &[
            required("filesystem", "The file system (container)."),
            required("endpoint", "`https://ACCOUNT.dfs.core.windows.net`"),
            optional("account_name", "The account."),
            perhaps_secret("account_key", "The account's key."),
            perhaps_secret("sas_token", "A shared access signature instead."),
            optional("tenant_id", "Of an application in Entra."),
            optional("client_id", "Of an application in Entra."),
            perhaps_secret("client_secret", "Of an application in Entra."),
            optional("authority_host", "Of Entra."),
            optional("enable_hns", "`true`: folders are removed with `recursive`. Leave it out."),
        ],
        ..LAKE
    },
    Service {
        name: "azfile",
        about: "Azure Files by REST.",
        is_built: cfg!(feature = "service-azfile"),
        options: &[
            required("share_name", "The share."),
            required("endpoint", "`https://ACCOUNT.file.core.windows.net`"),
            optional("account_name", "The account."),
            perhaps_secret("account_key", "The account's key."),
            perhaps_secret("sas_token", "A shared access signature instead."),
        ],
        names: Names::Windows,
        folds_names: true,
        space: Space::Folders,
        upload: Upload { is_streamed: false, parts_above: None },
        max_size: 4 * MIB,
        is_sorted: false,
        writing: Writing::Never("its rename does not replace, and files end at 4 MiB"),
        ..LAKE
    },
    Service {
        name: "webhdfs",
        about: "Hadoop's file system, by WebHDFS or HttpFS.",
        is_built: cfg!(feature = "service-webhdfs"),
        options: &[
            required("endpoint", "The name node's URL: `http://namenode:9870`"),
            optional("user_name", "Who to be there."),
            perhaps_secret("delegation", "A delegation token."),
            optional("disable_list_batch", "`true` for servers without LISTSTATUS_BATCH, such as HttpFS."),
        ],
        names: Names::Windows,
        identity: Identity::Time,
        precision: 1,
        writing: Writing::Never("a file that is being replaced would be gone for a moment"),
        ..LAKE
    },
];
