//! One object from a long stream, in parts: some are sent while the next one is read.

use super::body::{Body, Described, gather};
use crate::{
    ends::{Failure, Place},
    model::{ChecksumAlgorithm, ChecksumKind, ChecksumSpec, ObjectKey, Owner, PartNumber, UploadId},
    store::{BeginUpload, CompletePart, CompleteUpload, Written, error::StoreError, payload::Payload},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesOrdered};
use std::future::Future;

/// The size of the first parts. A body that is not longer is written at once.
pub(super) const PART: usize = 16 << 20;
/// After so many parts, their size doubles: 10,000 of them hold 5 TiB.
const DOUBLES: u16 = 1000;
/// Maximum number of parts that are sent at once.
const AT_ONCE: usize = 3;

/// Writes a body whose first bytes were read already. An upload that fails is aborted.
pub(super) async fn write(
    place: &Place,
    key: &ObjectKey,
    first: Bytes,
    body: Body,
    described: Described,
) -> Result<(u64, Written), Failure> {
    let failed = |error: StoreError| Failure::of_store(format_args!("writing '{}'", place.label), &error);
    let Described { attributes, conditions } = described;
    let begin = BeginUpload {
        attributes,
        checksum: ChecksumSpec { algorithm: ChecksumAlgorithm::Crc64Nvme, kind: ChecksumKind::FullObject },
        explicit_checksum: false,
        initiator: Owner { id: "causeway".into(), display_name: "causeway".into() },
    };
    let upload = place.store.begin_upload(key, begin).await.map_err(failed)?;
    let sent = async {
        let (size, parts) = send(place, key, &upload, first, body).await?;
        let request = CompleteUpload { parts, conditions, checksum: None, size: None };
        let written = place.store.complete_upload(key, &upload, request).await.map_err(failed)?;
        Ok((size, written))
    };
    match sent.await {
        Ok(done) => Ok(done),
        Err(failure) => {
            // The first failure counts: what is left then is removed by the storage's own expiry.
            let _ = place.store.abort_upload(key, &upload).await;
            Err(failure)
        }
    }
}

async fn send(
    place: &Place,
    key: &ObjectKey,
    upload: &UploadId,
    first: Bytes,
    mut body: Body,
) -> Result<(u64, Vec<CompletePart>), Failure> {
    let failed = |error: StoreError| Failure::of_store(format_args!("writing '{}'", place.label), &error);
    let put = |number: PartNumber, bytes: Bytes| async move {
        let part = place.store.put_part(key, upload, number, Payload::from_bytes(bytes)).await;
        part.map(|part| CompletePart { number, etag: part.etag, checksum: part.checksum })
    };
    let (mut size, mut parts, mut sending) = (0, Vec::new(), FuturesOrdered::new());
    let mut next = Some((first, false));
    let mut number = 1;
    while let Some((bytes, is_last)) = next.take() {
        let Some(part) = PartNumber::new(number) else {
            let label = &place.label;
            return Err(Failure::failed(format!(
                "writing '{label}': the input is longer than 10,000 parts hold"
            )));
        };
        size += bytes.len() as u64;
        if !bytes.is_empty() {
            sending.push_back(put(part, bytes));
        }
        let most = if is_last { 0 } else { AT_ONCE - 1 };
        while sending.len() > most {
            if let Some(part) = sending.next().await {
                parts.push(part.map_err(failed)?);
            }
        }
        if !is_last {
            let reading = gather(&mut body, PART << (number / DOUBLES));
            next = Some(beside(reading, &mut sending, &mut parts).await.map_err(|error| match error {
                Beside::Read(failure) => failure,
                Beside::Sent(error) => failed(error),
            })?);
        }
        number += 1;
    }
    Ok((size, parts))
}

/// Why reading a part, or sending those before it, failed.
enum Beside {
    Read(Failure),
    Sent(StoreError),
}

/// Reads the next part while those before it are being sent.
async fn beside<R>(
    reading: impl Future<Output = Result<R, Failure>>,
    sending: &mut FuturesOrdered<impl Future<Output = Result<CompletePart, StoreError>>>,
    parts: &mut Vec<CompletePart>,
) -> Result<R, Beside> {
    let mut reading = std::pin::pin!(reading);
    loop {
        tokio::select! {
            read = &mut reading => return read.map_err(Beside::Read),
            Some(sent) = sending.next() => parts.push(sent.map_err(Beside::Sent)?),
        }
    }
}
