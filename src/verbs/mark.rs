//! Empty objects: folders, and objects that are touched.

use crate::{
    ends::{Failure, FailureKind, Place, Storage},
    model::{ObjectKey, Timestamp},
    store::{
        CopyAttributes, CopyRequest, CopySource, PutRequest, condition::WriteConditions, payload::Payload,
    },
};

/// The user metadata that holds the time of a file, as other tools have it.
const MTIME: &str = "mtime";

/// Makes the folder that was named: an empty object whose key ends with `/`, or a directory.
pub async fn make_folder(place: &Place) -> Result<ObjectKey, Failure> {
    if place.path.is_empty() && place.storage == Storage::LocalFiles {
        return Err(Failure::failed(format!("'{}' is there already", place.label)));
    }
    if place.path.is_empty() {
        return Err(Failure::senseless(format!(
            "'{}' names no folder in it: write BUCKET/FOLDER. 'causeway bucket add' makes buckets",
            place.label
        )));
    }
    let key = place.key_of(&place.prefix())?;
    put_empty(place, &key, Default::default(), "making").await?;
    Ok(key)
}

/// Gives the object that was named this time. One that does not exist is made, unless `only_existing`.
/// Returns whether it was made.
pub async fn touch(place: &Place, at: Timestamp, only_existing: bool) -> Result<bool, Failure> {
    let key = place.key()?;
    let (seconds, millis) = (at.millis().div_euclid(1000), at.millis().rem_euclid(1000));
    let time = format!("{seconds}.{millis:03}000000");
    match super::stat(place).await {
        Ok(info) => {
            let mut attributes = info.attributes;
            attributes.user.insert(MTIME.to_owned(), time);
            let source = CopySource {
                store: place.store.clone(),
                key: key.clone(),
                version: None,
                conditions: Default::default(),
            };
            let attributes = CopyAttributes::of_itself(attributes);
            let request =
                CopyRequest { source, attributes, conditions: WriteConditions::default(), checksum: None };
            let copied = place.store.copy(&key, request).await;
            copied.map_err(|error| Failure::of_store(format_args!("touching '{}'", place.label), &error))?;
            Ok(false)
        }
        Err(failure) if failure.kind() == FailureKind::Missing && !only_existing => {
            let mut attributes = crate::model::Attributes::default();
            attributes.user.insert(MTIME.to_owned(), time);
            put_empty(place, &key, attributes, "touching").await?;
            Ok(true)
        }
        Err(failure) => Err(failure),
    }
}

async fn put_empty(
    place: &Place,
    key: &ObjectKey,
    attributes: crate::model::Attributes,
    doing: &str,
) -> Result<(), Failure> {
    let (conditions, payload) = (WriteConditions::default(), Payload::from_bytes(bytes::Bytes::new()));
    let put = place.store.put(key, PutRequest { attributes, conditions, payload }).await;
    put.map(drop).map_err(|error| Failure::of_store(format_args!("{doing} '{}'", place.label), &error))
}
