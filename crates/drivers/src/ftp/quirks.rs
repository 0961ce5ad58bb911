//! What a server was found to do that none says of itself. Does not own how that is found out (`probe`).

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quirks {
    /// RNTO gives a name that a file has to another file.
    pub(super) replaces: bool,
    /// REST is obeyed by RETR.
    pub(super) restarts: bool,
    /// RMD refuses a folder that something is in.
    pub(super) keeps_full_folders: bool,
}
