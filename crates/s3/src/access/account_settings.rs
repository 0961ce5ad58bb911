//! What accounts have set for all of their buckets: the directory of users keeps it beside them.

use crate::{
    buckets::AccountSettings,
    catalog::{CatalogError, CatalogErrorKind},
    iam::{Directory, DirectoryError},
    model::PublicAccess,
};
use futures_util::{FutureExt, future::BoxFuture};
use std::sync::Arc;

impl AccountSettings for Directory {
    fn public_access(&self, canonical_id: &str) -> Option<PublicAccess> {
        Self::public_access(self, canonical_id)
    }

    fn set_public_access(
        self: Arc<Self>,
        canonical_id: Arc<str>,
        access: Option<PublicAccess>,
    ) -> BoxFuture<'static, Result<(), CatalogError>> {
        async move { Self::set_public_access(&self, &canonical_id, access).await.map_err(failed) }.boxed()
    }
}

fn failed(error: DirectoryError) -> CatalogError {
    match error {
        DirectoryError::Catalog(error) => error,
        other => {
            let message = "changing the settings of an account failed";
            CatalogError::new(CatalogErrorKind::Internal, message).with_source(other)
        }
    }
}
