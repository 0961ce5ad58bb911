//! The parts of a multipart object, as drivers store them beside it: runs of equal size, so that 10,000 uniform parts take
//! a line.

use crate::model::{Checksum, ChecksumAlgorithm, ObjectPart};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredParts {
    /// First number, how many, bytes of each.
    runs: Vec<(u16, u16, u64)>,
    /// Their checksums, concatenated, in base64.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    sums: Option<(ChecksumAlgorithm, String)>,
}

impl StoredParts {
    pub(super) fn of(parts: &[ObjectPart]) -> Self {
        let mut runs: Vec<(u16, u16, u64)> = Vec::new();
        for part in parts {
            match runs.last_mut() {
                Some((first, count, size)) if *first + *count == part.number && *size == part.size => *count += 1,
                _ => runs.push((part.number, 1, part.size)),
            }
        }
        let algorithm = parts.first().and_then(|p| p.checksum.as_ref()).map(Checksum::algorithm);
        let sums = algorithm.and_then(|algorithm| {
            let sums: Option<Vec<&[u8]>> =
                parts.iter().map(|p| p.checksum.as_ref().filter(|c| c.algorithm() == algorithm).map(Checksum::bytes)).collect();
            Some((algorithm, STANDARD.encode(sums?.concat())))
        });
        Self { runs, sums }
    }

    pub(super) fn parts(&self) -> Vec<ObjectPart> {
        let sums = self.sums.as_ref().and_then(|(algorithm, text)| Some((*algorithm, STANDARD.decode(text).ok()?)));
        let mut sums = sums.iter().flat_map(|(algorithm, bytes)| bytes.chunks(algorithm.length()).map(|b| Checksum::new(*algorithm, b)));
        let numbers = self.runs.iter().flat_map(|&(first, count, size)| (0..count).map(move |n| (first.saturating_add(n), size)));
        numbers.map(|(number, size)| ObjectPart { number, size, checksum: sums.next().flatten() }).collect()
    }
}
