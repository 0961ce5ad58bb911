//! Services that the gateway only reads from.

use super::*;

const READ: Service = Service {
    name: "",
    about: "",
    is_built: false,
    options: &[],
    names: Names::Trimmed,
    folds_names: false,
    space: Space::FoldersByName,
    writing: Writing::Never("it is read only"),
    upload: Upload { is_streamed: true, parts_above: None },
    longest: Longest::ANY,
    max_size: TIB,
    identity: Identity::Size,
    precision: 1,
    removal: Removal::Empty,
    renaming: Renaming::Rewritten,
    is_sorted: false,
    evidence: Evidence::Never,
    notes: "",
};

pub(super) const ROWS: &[Service] = &[
    Service {
        name: "github",
        about: "The files of a GitHub repository, on its default branch.",
        is_built: cfg!(feature = "service-github"),
        options: &[
            required("owner", "Whose repository."),
            required("repo", "The repository's name."),
            perhaps_secret(
                "token",
                "A token: for private repositories, and for more than 60 requests an hour.",
            ),
        ],
        identity: Identity::TagAside,
        max_size: 100 * MIB,
        writing: Writing::Never("every write would be a commit"),
        ..READ
    },
    Service {
        name: "ipfs",
        about: "A folder on IPFS, through a gateway.",
        is_built: cfg!(feature = "service-ipfs"),
        options: &[required(
            "endpoint",
            "The gateway: `https://ipfs.io`. The `root` is `/ipfs/CID` or `/ipns/NAME`.",
        )],
        notes: "What lies under a content id never changes.",
        ..READ
    },
];
