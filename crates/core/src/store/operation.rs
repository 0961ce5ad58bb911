//! Names of the operations of storage: for settings, for metrics, and for code that selects operations.

use std::fmt;

/// An operation of a store, or of the backend that opened the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Operation {
    Head,
    Describe,
    Get,
    List,
    ListParts,
    ListUploads,
    Put,
    Copy,
    Delete,
    Update,
    BeginUpload,
    PutPart,
    CopyPart,
    CompleteUpload,
    AbortUpload,
    /// Creation of a bucket's location.
    Create,
    Remove,
    Maintain,
    FullScan,
    ReadChanges,
}

const NAMES: [(Operation, &str); 20] = [
    (Operation::Head, "head"),
    (Operation::Describe, "describe"),
    (Operation::Get, "get"),
    (Operation::List, "list"),
    (Operation::ListParts, "list_parts"),
    (Operation::ListUploads, "list_uploads"),
    (Operation::Put, "put"),
    (Operation::Copy, "copy"),
    (Operation::Delete, "delete"),
    (Operation::Update, "update"),
    (Operation::BeginUpload, "begin_upload"),
    (Operation::PutPart, "put_part"),
    (Operation::CopyPart, "copy_part"),
    (Operation::CompleteUpload, "complete_upload"),
    (Operation::AbortUpload, "abort_upload"),
    (Operation::Create, "create"),
    (Operation::Remove, "remove"),
    (Operation::Maintain, "maintain"),
    (Operation::FullScan, "walk"),
    (Operation::ReadChanges, "follow"),
];

/// Words that stand for several operations.
const GROUPS: [(Operations, &str); 5] = [
    (Operations::ALL, "all"),
    (Operations::READS, "reads"),
    (Operations::LISTS, "lists"),
    (Operations::WRITES, "writes"),
    (Operations::UPKEEP, "upkeep"),
];

impl Operation {
    pub fn name(self) -> &'static str {
        NAMES[self as usize].1
    }

    /// Returns whether the operation changes what is stored.
    pub fn is_write(self) -> bool {
        Operations::WRITES.contains(self)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operations(u32);

impl Operations {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self(Self::from_to(Operation::Head, Operation::ReadChanges));
    /// The operations that read objects.
    pub const READS: Self = Self(Self::from_to(Operation::Head, Operation::Get));
    pub const LISTS: Self = Self(Self::from_to(Operation::List, Operation::ListUploads));
    pub const WRITES: Self = Self(Self::from_to(Operation::Put, Operation::Remove));
    /// The operations that run in the background.
    pub const UPKEEP: Self = Self(Self::from_to(Operation::Maintain, Operation::ReadChanges));

    const fn from_to(first: Operation, last: Operation) -> u32 {
        (1 << (last as u32 + 1)) - (1 << first as u32)
    }

    pub fn of(operations: &[Operation]) -> Self {
        Self(operations.iter().fold(0, |set, operation| set | 1 << *operation as u32))
    }

    pub fn contains(self, operation: Operation) -> bool {
        self.0 & 1 << operation as u32 != 0
    }

    pub fn and(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    /// Parses the name of one operation, or a word for several.
    pub fn named(word: &str) -> Option<Self> {
        let group = GROUPS.iter().find(|(_, name)| *name == word).map(|(group, _)| *group);
        group.or_else(|| {
            NAMES.iter().find(|(_, name)| *name == word).map(|(operation, _)| Self::of(&[*operation]))
        })
    }

    /// Returns the words for these operations, as few as possible.
    pub fn words(self) -> Vec<&'static str> {
        let (mut rest, mut words) = (self.0, Vec::new());
        for (group, word) in GROUPS {
            if rest != 0 && rest & group.0 == group.0 {
                words.push(word);
                rest &= !group.0;
            }
        }
        words.extend(
            NAMES.iter().filter(|(operation, _)| rest & 1 << *operation as u32 != 0).map(|(_, name)| *name),
        );
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_its_name_and_one_group() {
        for (at, (operation, name)) in NAMES.into_iter().enumerate() {
            assert_eq!((operation as usize, operation.name()), (at, name));
            let groups = GROUPS[1..].iter().filter(|(group, _)| group.contains(operation));
            assert_eq!(groups.count(), 1, "{operation}");
            assert!(Operations::ALL.contains(operation) && !Operations::NONE.contains(operation));
        }
    }

    #[test]
    fn the_words_for_a_set_mean_that_set() {
        let odd = Operations::READS.and(Operations::of(&[Operation::Put, Operation::Delete]));
        assert_eq!(odd.words(), ["reads", "put", "delete"]);
        for set in [Operations::ALL, Operations::LISTS, odd, Operations::of(&[Operation::Head])] {
            let read = set.words().into_iter().map(|word| Operations::named(word).expect("a word"));
            assert_eq!(read.fold(Operations::NONE, Operations::and), set);
        }
        assert_eq!(Operations::named("everything"), None);
    }
}
