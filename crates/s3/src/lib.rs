//! S3: the buckets (`buckets`) and their background work (`jobs`), the identities (`access`), the operations
//! (`s3`), and the protocol that clients speak (`edge`). Knows the contract of storage, and no driver.

#![warn(unreachable_pub)]

pub mod access;
pub mod buckets;
pub mod edge;
pub mod jobs;
pub mod s3;

use causeway_backend as backend;
use causeway_catalog as catalog;
use causeway_core::{model, store, xml};
use causeway_iam as iam;
use causeway_policy as policy;
use causeway_work as work;
