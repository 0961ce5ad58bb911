//! A file that is being written, and how it appears under its name.
//!
//! Where the file system can, a draft has no name until it is whole, so that a killed process leaves nothing.
//! Elsewhere it has a name that listings leave out, in the folder where it will appear.

use super::{
    names,
    root::{Missing, Root},
};
use rustix::{
    fd::{AsRawFd, OwnedFd},
    fs::{AtFlags, Mode, OFlags, Timestamps},
    io::Errno,
};
use std::{
    fs::File,
    io::{self, Write},
};

/// As programs make files: the umask takes away what the user wants.
const MODE: Mode =
    Mode::RUSR.union(Mode::WUSR).union(Mode::RGRP).union(Mode::WGRP).union(Mode::ROTH).union(Mode::WOTH);

#[derive(Debug)]
pub(super) struct Draft {
    file: File,
    folder: OwnedFd,
    /// `None`: it has no name yet.
    name: Option<String>,
}

/// Whether a file of the same name is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    Replaced,
    Kept,
}

impl Draft {
    /// Begins a file in the folder with these names, which is made if it is missing.
    pub(super) fn begin(root: &Root, folders: &[String]) -> io::Result<Self> {
        let folder = root.folder(folders, Missing::Made)?;
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::openat(&folder, ".", flags | OFlags::TMPFILE, MODE) {
            Ok(file) => return Ok(Self { file: file.into(), folder, name: None }),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
        let name = random_name()?;
        let file = rustix::fs::openat(&folder, &name, flags | OFlags::CREATE | OFlags::EXCL, MODE)?;
        Ok(Self { file: file.into(), folder, name: Some(name) })
    }

    pub(super) fn write(&self, frames: &[bytes::Bytes]) -> io::Result<()> {
        let mut file = &self.file;
        frames.iter().try_for_each(|frame| file.write_all(frame))
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Lets the file appear. `Ok(None)`: one of its name was to be kept, and is there.
    pub(super) fn publish(
        mut self,
        root: &Root,
        (folders, name): (&[String], &str),
        times: Option<Timestamps>,
        existing: Existing,
    ) -> io::Result<Option<rustix::fs::Stat>> {
        if let Some(times) = times {
            rustix::fs::futimens(&self.file, &times)?;
        }
        let published = match self.appear(name, existing) {
            // The empty folder was removed meanwhile: another one takes its place.
            Err(Errno::NOENT) => {
                self.folder = root.folder(folders, Missing::Made)?;
                self.appear(name, existing)
            }
            published => published,
        };
        match published {
            Ok(()) => {}
            Err(Errno::EXIST) if existing == Existing::Kept => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        Ok(Some(rustix::fs::fstat(&self.file)?))
    }

    fn appear(&mut self, name: &str, existing: Existing) -> rustix::io::Result<()> {
        if existing == Existing::Kept {
            self.link(name)?;
            return self.forget();
        }
        if self.name.is_none() {
            // A link cannot replace: where there is nothing to replace, it does in one step.
            if self.is_free(name) {
                match self.link(name) {
                    Err(Errno::EXIST) => {}
                    linked => return linked,
                }
            }
            let temporary = random_name().map_err(|_| Errno::IO)?;
            self.link(&temporary)?;
            self.name = Some(temporary);
        }
        if let Some(temporary) = &self.name {
            rustix::fs::renameat(&self.folder, temporary, &self.folder, name)?;
            self.name = None;
        }
        Ok(())
    }

    fn is_free(&self, name: &str) -> bool {
        rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW).err() == Some(Errno::NOENT)
    }

    /// Gives the file another name.
    fn link(&self, name: &str) -> rustix::io::Result<()> {
        match &self.name {
            Some(own) => rustix::fs::linkat(&self.folder, own, &self.folder, name, AtFlags::empty()),
            None => {
                let file = format!("/proc/self/fd/{}", self.file.as_raw_fd());
                rustix::fs::linkat(rustix::fs::CWD, file, &self.folder, name, AtFlags::SYMLINK_FOLLOW)
            }
        }
    }

    /// Removes the name of the draft.
    fn forget(&mut self) -> rustix::io::Result<()> {
        match self.name.take() {
            Some(name) => rustix::fs::unlinkat(&self.folder, name, AtFlags::empty()),
            None => Ok(()),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Without a name the file goes with its descriptor.
        let _ = self.forget();
    }
}

fn random_name() -> io::Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(format!("no randomness: {error}")))?;
    Ok(names::draft_name(random))
}
