//! What commands do on a data directory or a backend, while no server runs or beside one.
//!
//! Owns requests of operators to a running server, and what answers them where none runs. Owns no parts of its
//! own: `assembly` builds them. The command line only reads arguments and prints results.
//!
//! | file | owns |
//! |---|---|
//! | `requests` | what is asked of the server that holds the data directory, or done here |
//! | `inspect` | opening one backend or bucket without a server |
//! | `probe` | trying out what a storage keeps of S3's promises |
//! | `authorize` | how a person grants access to a drive |
//! | `first` | the credentials with which a server begins |
//! | `memory` | what the data directory remembers of buckets |

pub mod authorize;
mod first;
pub mod inspect;
mod memory;
mod probe;
mod requests;

pub use crate::{
    backend::{
        Lack, ReplicaState, ReplicationCounts, Trouble,
        migration::{MigrationCounts, MigrationState, MigrationStep, Stage},
    },
    control::{
        AccessChange, Action, Adoption, Change, Clash, Done, Finding, Header, Hidden, ImportOptions,
        Imported, JobsQuery, Key, Keyed, ListedKey, Members, Migrate, Replicate, Replicated, Reply, Request,
        Row, Scanned, ScrubCounts, Simulate,
    },
    model::{PublicAccess, Role, SignatureV2, Timestamp},
    s3::Explained,
    work::{JobState, JobStatus},
};
pub use first::first_credentials;
pub use memory::DataMemory;
pub(crate) use requests::{Asked, Visit, ask_server};
pub use requests::{ask, import, owner, rebuild};
