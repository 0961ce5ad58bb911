//! The quirks of a server that it does not report. This module does not own how they are found out (`probe`).

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quirks {
    /// RNTO replaces a file that exists.
    pub(super) replaces: bool,
    /// RETR begins at the position that REST sent.
    pub(super) restarts: bool,
    /// RMD refuses a folder that has entries.
    pub(super) keeps_full_folders: bool,
}
