//! Finds which checksum algorithms this storage verifies and stores.
//!
//! `probe` tries CRC32. A storage that supports it supports the five algorithms that S3 had before April
//! 2026. Each newer algorithm is tried out when a client first uses it, because most storages do not know it
//! and ignore its header. A checksum that the storage does not store is verified by the gateway and not
//! stored.

use super::{
    bucket::S3Store,
    dialect::Dialect,
    headers,
    scratch::{self, Scratch, ask},
};
use crate::{
    backend::wire::{Again, Outgoing},
    model::{Checksum, ChecksumAlgorithm, ChecksumHasher},
    store::{CompleteUpload, Result},
};
use http::Method;
use std::collections::HashSet;

/// The algorithms that S3 has had since April 2026.
const NEWER: [ChecksumAlgorithm; 5] = [
    ChecksumAlgorithm::Sha512,
    ChecksumAlgorithm::Md5,
    ChecksumAlgorithm::Xxhash64,
    ChecksumAlgorithm::Xxhash3,
    ChecksumAlgorithm::Xxhash128,
];

impl S3Store {
    /// Returns whether the storage keeps checksums at all.
    pub(super) async fn keeps_checksums(&self) -> Result<bool> {
        Ok(self.dialect() == Dialect::S3 && self.features().await?.checksums)
    }

    /// Returns whether the storage compares a checksum of this algorithm with the body, stores it and returns
    /// it.
    pub(super) async fn keeps(&self, algorithm: ChecksumAlgorithm) -> Result<bool> {
        if !self.keeps_checksums().await? {
            return Ok(false);
        }
        // AWS supports all of them.
        if !NEWER.contains(&algorithm) || self.client.settings().endpoint.is_none() {
            return Ok(true);
        }
        if let Some(kept) = self.client.sums().known(algorithm) {
            return Ok(kept);
        }
        let kept = self.try_sum(algorithm).await?;
        tracing::info!(
            remote = self.location.remote,
            algorithm = algorithm.as_str(),
            kept,
            "tried out whether a storage keeps a checksum"
        );
        self.client.sums().learn(algorithm, kept);
        Ok(kept)
    }

    /// Returns whether the storage keeps every checksum that a Complete names, if it names any.
    pub(super) async fn keeps_named(&self, request: &CompleteUpload) -> Result<bool> {
        let of_parts =
            request.parts.iter().filter_map(|part| part.checksum.as_ref()).map(Checksum::algorithm);
        let named: HashSet<_> =
            of_parts.chain(request.checksum.iter().map(|(algorithm, _)| *algorithm)).collect();
        for algorithm in &named {
            if !self.keeps(*algorithm).await? {
                return Ok(false);
            }
        }
        Ok(!named.is_empty())
    }

    /// Returns whether a copy that the storage makes has the requested checksum. A storage that does not know
    /// a newer algorithm would copy without it.
    pub(super) async fn sums_copies(&self, asked: Option<ChecksumAlgorithm>) -> Result<bool> {
        match asked {
            Some(algorithm) if NEWER.contains(&algorithm) => self.keeps(algorithm).await,
            _ => Ok(true),
        }
    }

    async fn try_sum(&self, algorithm: ChecksumAlgorithm) -> Result<bool> {
        let name = self.location.below(&scratch::name());
        // The object is removed in any case, even if the client that waits disconnects.
        let trial = Scratch::new(&self.client, &self.location, vec![name.clone()]);
        let put = |sum: &str| {
            self.call(Method::PUT, &name).text(algorithm.header(), sum).body(Outgoing::full("x".into()))
        };
        let right = sum(algorithm, b"x");
        // Some storages store any header: only one that refuses a wrong checksum has compared it.
        let compared = !ask(put(&sum(algorithm, b"y")), Again::Harmless).await?.status.is_success();
        let mut kept = compared && ask(put(&right), Again::Harmless).await?.status.is_success();
        if kept {
            let seen =
                ask(self.call(Method::HEAD, &name).vendor("checksum-mode", "ENABLED"), Again::Harmless)
                    .await?;
            kept = headers::checksum(&seen.headers)
                .is_some_and(|shown| shown.algorithm() == algorithm && shown.text() == right);
        }
        trial.remove().await;
        Ok(kept)
    }
}

fn sum(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> String {
    let mut hasher = ChecksumHasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish().to_base64()
}
