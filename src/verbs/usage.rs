//! How much there is: in all, and for each folder. Folders are summed while their keys come in order, so that
//! only those on the way to the current key are held.

use super::Entry;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Total {
    pub objects: u64,
    pub bytes: u64,
}

impl Total {
    pub fn add(&mut self, size: u64) {
        self.objects += 1;
        self.bytes += size;
    }

    fn join(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
    }
}

/// Sums of folders, down to a depth.
#[derive(Debug)]
pub struct Usage {
    depth: usize,
    /// The folders on the way to the current key, with what they have so far. The first one is the whole.
    open: Vec<(String, Total)>,
}

impl Usage {
    pub fn new(depth: usize) -> Self {
        Self { depth, open: vec![(String::new(), Total::default())] }
    }

    /// Counts an object, whose name is relative to the whole, and returns the folders that have ended.
    pub fn take(&mut self, name: &str, entry: &Entry) -> Vec<(String, Total)> {
        let Entry::Object { size, .. } = entry else { return Vec::new() };
        let ended = self.close(name);
        let known = self.open.last().map_or(0, |(folder, _)| folder.len());
        for (at, _) in name.match_indices('/').filter(|(at, _)| *at >= known) {
            if self.open.len() <= self.depth {
                self.open.push((name[..=at].to_owned(), Total::default()));
            }
        }
        if let Some((_, total)) = self.open.last_mut() {
            total.add(*size);
        }
        ended
    }

    /// Returns the folders that are left; the whole comes last.
    pub fn end(mut self) -> Vec<(String, Total)> {
        let mut ended = Vec::new();
        while let Some(last) = self.pop() {
            ended.push(last);
        }
        ended
    }

    fn close(&mut self, name: &str) -> Vec<(String, Total)> {
        let mut ended = Vec::new();
        while self.open.last().is_some_and(|(folder, _)| !name.starts_with(folder.as_str())) {
            ended.extend(self.pop());
        }
        ended
    }

    fn pop(&mut self) -> Option<(String, Total)> {
        let (folder, total) = self.open.pop()?;
        if let Some((_, above)) = self.open.last_mut() {
            above.join(total);
        }
        Some((folder, total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ETag, Timestamp};

    fn sums(depth: usize, keys: &[(&str, u64)]) -> String {
        let mut usage = Usage::new(depth);
        let mut all = Vec::new();
        for (key, size) in keys {
            let entry = Entry::Object {
                key: (*key).to_owned(),
                size: *size,
                modified: Timestamp::from_millis(0),
                etag: ETag::opaque("x"),
            };
            all.extend(usage.take(key, &entry));
        }
        all.extend(usage.end());
        let shown = |(folder, total): &(String, Total)| format!("{folder}:{}/{}", total.objects, total.bytes);
        all.iter().map(shown).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_folder_has_what_is_in_it_at_any_depth() {
        let keys = [("a", 1), ("b/c/d", 2), ("b/c/e", 4), ("b/f", 8), ("g/h", 16)];
        assert_eq!(sums(0, &keys), ":5/31");
        assert_eq!(sums(1, &keys), "b/:3/14 g/:1/16 :5/31");
        assert_eq!(sums(9, &keys), "b/c/:2/6 b/:3/14 g/:1/16 :5/31");
        assert_eq!(sums(1, &[]), ":0/0");
    }
}
