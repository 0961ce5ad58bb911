//! Imports exported rows into a catalog that no server uses.
//!
//! Invariants: repeating an interrupted import completes it. The caller has the rows checked before, and
//! removes the index before the import: the index would lack rows that the catalog has. No identity is
//! imported whose secret the data directory cannot unseal.

use super::rows::{MemberRow, Row, RowError};
use crate::{
    backend::tree,
    catalog::{BucketId, Catalog, CatalogError, CatalogErrorKind, Expected, IamChange, ObjectRow},
    iam::{self, DataKey},
    model::BucketName,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use std::{
    collections::{HashMap, HashSet},
    io,
};

/// How many commits share transactions.
const AT_ONCE: usize = 64;

/// What to do with rows for objects that the catalog already has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clash {
    Keep,
    Replace,
}

/// How rows are imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportOptions {
    /// What happens to an object, an identity or a member that is there already.
    pub clash: Clash,
    /// Whether identities, users, groups, roles and policies are imported.
    pub with_identities: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Rows that did not exist before.
    pub buckets: u64,
    pub objects: u64,
    pub identities: u64,
    pub members: u64,
    /// Rows that existed, and were kept.
    pub kept: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Row(#[from] RowError),
    #[error("bucket '{name}' is at '{place}' on backend '{backend}' here, and elsewhere in what is imported")]
    Elsewhere { name: BucketName, place: String, backend: String },
    #[error(
        "the secret of the access key '{0}' was sealed with another key than that of this data directory: copy \
         .causeway/identities.key from where the catalog was exported, or import with --without-identities"
    )]
    Sealed(String),
    #[error("the {kind} '{name}' is not understood: {why}. Use the release that exported it, or a later one")]
    NotUnderstood { kind: String, name: String, why: String },
    #[error("the key that seals secrets")]
    Key(#[from] io::Error),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Whether every row makes sense, no bucket is at another location here, and every secret can be unsealed with
/// the key of the data directory.
pub async fn check(
    catalog: &dyn Catalog,
    key: Option<&DataKey>,
    options: ImportOptions,
    rows: impl Iterator<Item = Result<Row, RowError>>,
) -> Result<(), ImportError> {
    let unseals = |access_key: &str, sealed: &str| match key.and_then(|key| key.unseal(access_key, sealed)) {
        Some(_) => Ok(()),
        None => Err(ImportError::Sealed(access_key.to_owned())),
    };
    for row in rows {
        match row? {
            Row::Bucket(bucket) => {
                if let Some(known) = catalog.bucket(&bucket.name).await?
                    && (known.bucket.backend != bucket.backend || known.bucket.location != bucket.place)
                {
                    return Err(ImportError::Elsewhere {
                        name: bucket.name,
                        place: known.bucket.location,
                        backend: known.bucket.backend,
                    });
                }
            }
            Row::Identity(identity) if options.with_identities => {
                unseals(identity.access_key.as_str(), &identity.secret)?;
            }
            Row::Member(MemberRow { kind, name, body, .. }) if options.with_identities => {
                let secrets = iam::sealed_secrets(&kind, &body)
                    .map_err(|why| ImportError::NotUnderstood { kind, name, why })?;
                for (access_key, sealed) in secrets {
                    unseals(&access_key, &sealed)?;
                }
            }
            Row::Object(_) | Row::Identity(_) | Row::Member(_) | Row::End(_) => {}
        }
    }
    Ok(())
}

/// Imports rows that were checked.
pub async fn import(
    catalog: &dyn Catalog,
    options: ImportOptions,
    rows: impl Iterator<Item = Result<Row, RowError>>,
) -> Result<Imported, ImportError> {
    let ImportOptions { clash, with_identities } = options;
    let mut imported = Imported::default();
    let mut members = Vec::new();
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
            Row::Identity(row) if with_identities => {
                let expected = if clash == Clash::Keep { Expected::ABSENT } else { Expected::Any };
                match catalog.set_identity(row.identity(), expected).await {
                    Ok(_) => imported.identities += 1,
                    Err(error) if error.kind() == CatalogErrorKind::Conflict => imported.kept += 1,
                    Err(error) => return Err(error.into()),
                }
            }
            Row::Member(row) if with_identities => members.push(row),
            Row::Identity(_) | Row::Member(_) | Row::End(_) => {}
        }
    }
    write(catalog, clash, &mut imported, batch).await?;
    write_members(catalog, clash, &mut imported, members).await?;
    Ok(imported)
}

/// All members or none: what one may do depends on others.
async fn write_members(
    catalog: &dyn Catalog,
    clash: Clash,
    imported: &mut Imported,
    members: Vec<MemberRow>,
) -> Result<(), ImportError> {
    let known = catalog.iam().await?;
    let there: HashSet<_> = known.all.into_iter().map(|document| document.key).collect();
    let count = members.len() as u64;
    let is_wanted = |row: &MemberRow| clash == Clash::Replace || !there.contains(&row.key());
    let changes: Vec<IamChange> =
        members.into_iter().filter(is_wanted).map(|row| IamChange::Put(row.key(), row.body)).collect();
    imported.members += changes.len() as u64;
    imported.kept += count - changes.len() as u64;
    catalog.change_iam(changes, Expected::Exactly(known.revision)).await?;
    Ok(())
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
