//! Cloud drives: services that store files in folders for users.

use super::*;

const DRIVE: Service = Service {
    name: "",
    about: "",
    is_built: false,
    options: &[],
    names: Names::Windows,
    folds_names: false,
    space: Space::FoldersByName,
    writing: Writing::Direct,
    upload: Upload { is_streamed: true, parts_above: None },
    longest: Longest::ANY,
    max_size: 50 * GIB,
    identity: Identity::Time,
    precision: 1000,
    removal: Removal::Recursive,
    renaming: Renaming::Native,
    is_sorted: false,
    evidence: Evidence::Never,
    notes: "",
};

pub(super) const ROWS: &[Service] = &[
    Service {
        name: "yandex-disk",
        about: "Yandex Disk.",
        is_built: cfg!(feature = "service-yandex-disk"),
        options: &[secret(
            "access_token",
            "An OAuth token with the rights to read and write. It lasts a year.",
        )],
        names: Names::Trimmed,
        identity: Identity::TagAside,
        evidence: Evidence::Fake,
        notes: "Files above 1 GiB need a paid plan. What is removed does not go to the trash.",
        ..DRIVE
    },
    Service {
        name: "pcloud",
        about: "pCloud.",
        is_built: cfg!(feature = "service-pcloud"),
        options: &[
            required(
                "endpoint",
                "`https://api.pcloud.com`, or `https://eapi.pcloud.com` for accounts in Europe.",
            ),
            required("username", "The account's e-mail address."),
            secret("password", "Its password. It is sent with every request."),
        ],
        names: Names::Trimmed,
        removal: Removal::Empty,
        max_size: TIB,
        evidence: Evidence::Fake,
        ..DRIVE
    },
    Service {
        name: "seafile",
        about: "Seafile, one library of it.",
        is_built: cfg!(feature = "service-seafile"),
        options: &[
            required("endpoint", "The server's URL."),
            required("username", "The user."),
            secret("password", "The user's password."),
            required("repo_name", "The library's name. Encrypted ones are not served."),
        ],
        space: Space::Folders,
        renaming: Renaming::Rewritten,
        ..DRIVE
    },
];
