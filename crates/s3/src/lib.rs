//! S3: which buckets there are (`buckets`) and their background work (`jobs`), who may come in (`access`), what each operation means
//! (`s3`), and the wire that clients speak (`edge`). Knows the contract of storage, and no driver.

#![warn(unreachable_pub)]

pub mod access;
pub mod buckets;
pub mod edge;
pub mod jobs;
pub mod s3;

use causeway_backend as backend;
use causeway_catalog as catalog;
use causeway_core::{model, store, xml};
