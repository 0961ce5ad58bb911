//! Notes of the layers on how they obtained a reply. They are for the headers of that reply and are not kept.

/// Notes for the headers of one reply. They are never stored, and empty where no layer added one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    pub cache: Option<CacheUse>,
    pub replicas: Option<Replicas>,
}

/// `x-cache`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheUse {
    Hit,
    Miss,
    /// The cache answered with an old entry, because the storage did not answer.
    Stale,
}

impl CacheUse {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
        }
    }
}

/// The replicas that hold copies of a replicated object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replicas {
    /// The backends that hold the current object.
    pub current: Vec<String>,
    /// The backends that do not hold the current object yet.
    pub pending: Vec<String>,
}

impl Replicas {
    /// `x-amz-replication-status`
    pub fn status(&self) -> &'static str {
        if self.pending.is_empty() { "COMPLETED" } else { "PENDING" }
    }

    /// `disk=current, lake=pending`
    pub fn text(&self) -> String {
        let said = |names: &[String], state: &'static str| {
            names.iter().map(|name| format!("{name}={state}")).collect::<Vec<_>>()
        };
        [said(&self.current, "current"), said(&self.pending, "pending")].concat().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replication_is_complete_when_no_copy_is_pending() {
        let mut replicas = Replicas { current: vec!["disk".into(), "nas".into()], pending: Vec::new() };
        assert_eq!((replicas.status(), replicas.text().as_str()), ("COMPLETED", "disk=current, nas=current"));
        replicas.pending.push("lake".into());
        assert_eq!(
            (replicas.status(), replicas.text().as_str()),
            ("PENDING", "disk=current, nas=current, lake=pending")
        );
    }
}
