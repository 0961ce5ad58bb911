//! The parts of a multipart object as records have them: short, in memory and in JSON.
//!
//! A stored format: fields are only ever added.

use crate::model::{Checksum, ChecksumAlgorithm, ObjectPart};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

/// The parts of a multipart object, as runs of the same size.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    /// For each run: the first part number, the number of parts, and the size of each.
    runs: Vec<(u16, u16, u64)>,
    /// The checksums of all parts, concatenated, if all have the same algorithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sums: Option<(ChecksumAlgorithm, String)>,
}

impl Parts {
    pub fn of(parts: &[ObjectPart]) -> Self {
        let mut runs: Vec<(u16, u16, u64)> = Vec::new();
        for part in parts {
            match runs.last_mut() {
                Some((first, count, size))
                    if *size == part.size
                        && u32::from(*first) + u32::from(*count) == u32::from(part.number) =>
                {
                    *count += 1;
                }
                _ => runs.push((part.number, 1, part.size)),
            }
        }
        let algorithm = parts.first().and_then(|part| Some(part.checksum.as_ref()?.algorithm()));
        let sums = algorithm.and_then(|algorithm| {
            let mut all = Vec::with_capacity(parts.len() * algorithm.length());
            for part in parts {
                all.extend_from_slice(
                    part.checksum.as_ref().filter(|sum| sum.algorithm() == algorithm)?.bytes(),
                );
            }
            Some((algorithm, STANDARD.encode(all)))
        });
        Self { runs, sums }
    }

    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub fn take_sums(&mut self) -> Option<Parts> {
        let whole = self.clone();
        self.sums.take().map(|_| whole)
    }

    /// Returns the approximate number of bytes that they use in memory.
    pub fn footprint(&self) -> usize {
        self.runs.len() * std::mem::size_of::<(u16, u16, u64)>()
            + self.sums.as_ref().map_or(0, |(_, sums)| sums.len())
    }

    pub fn list(&self) -> Vec<ObjectPart> {
        let numbered = self
            .runs
            .iter()
            .flat_map(|&(first, count, size)| (0..count).map(move |n| (first.saturating_add(n), size)));
        let sums =
            self.sums.as_ref().and_then(|(algorithm, text)| Some((*algorithm, STANDARD.decode(text).ok()?)));
        let sum = |nth: usize| {
            let (algorithm, all) = sums.as_ref()?;
            Checksum::new(*algorithm, all.chunks(algorithm.length()).nth(nth)?)
        };
        numbered
            .enumerate()
            .map(|(nth, (number, size))| ObjectPart { number, size, checksum: sum(nth) })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ChecksumHasher;

    fn part(number: u16, size: u64, sum: Option<ChecksumAlgorithm>) -> ObjectPart {
        let checksum = sum.map(|algorithm| {
            let mut hasher = ChecksumHasher::new(algorithm);
            hasher.update(&number.to_le_bytes());
            hasher.finish()
        });
        ObjectPart { number, size, checksum }
    }

    #[test]
    fn parts_of_one_size_take_one_run_and_come_back_with_their_checksums() {
        use ChecksumAlgorithm::{Crc32, Sha256};
        let uniform: Vec<_> = (1..=9999).map(|n| part(n, 8, None)).chain([part(10_000, 3, None)]).collect();
        assert_eq!(Parts::of(&uniform).runs, [(1, 9999, 8), (10_000, 1, 3)]);
        let gaps = vec![
            part(2, 5, Some(Sha256)),
            part(3, 5, Some(Sha256)),
            part(7, 5, Some(Sha256)),
            part(8, 6, Some(Sha256)),
        ];
        for parts in [uniform, gaps, vec![]] {
            assert_eq!(Parts::of(&parts).list(), parts);
        }
        let mixed = [part(1, 5, Some(Sha256)), part(2, 5, Some(Crc32))];
        assert!(Parts::of(&mixed).list().iter().all(|part| part.checksum.is_none()));
    }
}
