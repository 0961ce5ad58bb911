//! Imports exported rows into a catalog that no server uses.
//!
//! Invariants: repeating an interrupted import completes it. The caller has the rows checked before, and
//! removes the index before the import: the index would lack rows that the catalog has.

use super::rows::{Row, RowError};
use crate::{
    backend::tree,
    catalog::{BucketId, Catalog, CatalogError, CatalogErrorKind, Expected, ObjectRow},
    model::BucketName,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::HashMap;

/// How many commits share transactions.
const AT_ONCE: usize = 64;

/// What to do with rows for objects that the catalog already has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clash {
    Keep,
    Replace,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Rows that did not exist before.
    pub buckets: u64,
    pub objects: u64,
    /// Rows that existed, and were kept.
    pub kept: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Row(#[from] RowError),
    #[error("bucket '{name}' is at '{place}' on backend '{backend}' here, and elsewhere in what is imported")]
    Elsewhere { name: BucketName, place: String, backend: String },
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Whether every row makes sense, and no bucket is at another location here.
pub async fn check(
    catalog: &dyn Catalog,
    rows: impl Iterator<Item = Result<Row, RowError>>,
) -> Result<(), ImportError> {
    for row in rows {
        if let Row::Bucket(bucket) = row?
            && let Some(known) = catalog.bucket(&bucket.name).await?
            && (known.bucket.backend != bucket.backend || known.bucket.location != bucket.place)
        {
            return Err(ImportError::Elsewhere {
                name: bucket.name,
                place: known.bucket.location,
                backend: known.bucket.backend,
            });
        }
    }
    Ok(())
}

/// Imports rows that were checked.
pub async fn import(
    catalog: &dyn Catalog,
    clash: Clash,
    rows: impl Iterator<Item = Result<Row, RowError>>,
) -> Result<Imported, ImportError> {
    let mut imported = Imported::default();
    let mut ids: HashMap<BucketName, BucketId> = HashMap::new();
    let mut batch = Vec::with_capacity(AT_ONCE);
    for row in rows {
        match row? {
            Row::Bucket(bucket) => {
                let name = bucket.name.clone();
                let id = match catalog.bucket(&name).await? {
                    Some(known) => known.id,
                    None => {
                        imported.buckets += 1;
                        let (bucket, documents) = bucket.bucket();
                        catalog.create_bucket_apart(bucket, documents, Vec::new()).await?.id
                    }
                };
                ids.insert(name, id);
            }
            Row::Object(object) => {
                let id = ids.get(&object.bucket).copied();
                batch.push((id.ok_or_else(|| changed("its bucket"))?, object.row().map_err(changed)?));
                if batch.len() == AT_ONCE {
                    write(catalog, clash, &mut imported, std::mem::take(&mut batch)).await?;
                }
            }
            Row::End(_) => {}
        }
    }
    write(catalog, clash, &mut imported, batch).await?;
    Ok(imported)
}

fn changed(why: impl Into<String>) -> CatalogError {
    CatalogError::new(
        CatalogErrorKind::Internal,
        format!("the rows changed while they were read: {}", why.into()),
    )
}

/// A row found by a HEAD of the file is replaced by a row with data from a client, even if known rows are
/// kept: otherwise a HEAD of an object before the import would lose its metadata.
fn gives_way(known: &ObjectRow, imported: &ObjectRow) -> bool {
    let is_guess =
        |row: &ObjectRow| row.pending.is_none() && row.committed.as_deref().is_some_and(tree::is_guess);
    is_guess(known) && !is_guess(imported)
}

async fn write(
    catalog: &dyn Catalog,
    clash: Clash,
    imported: &mut Imported,
    batch: Vec<(BucketId, ObjectRow)>,
) -> Result<(), ImportError> {
    let writing = stream::iter(batch).map(async |(bucket, row)| {
        if clash == Clash::Keep
            && let Some(known) = catalog.object(bucket, &row.key).await?
            && !gives_way(&known.row, &row)
        {
            return Ok::<_, CatalogError>(false);
        }
        catalog.set_object(bucket, Expected::Any, row).await?;
        Ok(true)
    });
    let written: Vec<bool> = writing.buffer_unordered(AT_ONCE).try_collect().await?;
    let new = written.iter().filter(|written| **written).count() as u64;
    imported.objects += new;
    imported.kept += written.len() as u64 - new;
    Ok(())
}
