//! The quirks of a server that it does not report. This module does not own how they are found out (`probe`).

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quirks {
    /// RNTO gives a name that a file has to another file.
    pub(super) replaces: bool,
    /// REST is obeyed by RETR.
    pub(super) restarts: bool,
    /// RMD refuses a folder that something is in.
    pub(super) keeps_full_folders: bool,
}
