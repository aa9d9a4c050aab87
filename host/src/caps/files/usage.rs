//! What the files of a folder take. Counted once when the first grant to write there is made, and kept up to date by everything that goes
//! through the host; all plugins and calls that write to one folder share it.

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A file, whatever it is called.
pub(super) type FileId = (u64, u64);

/// What is in a folder.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// One change of sizes or entries at a time: what is measured before it is true until after it.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    bytes: u64,
    entries: u64,
    open: HashMap<FileId, Open>,
}

#[derive(Debug, Default)]
struct Open {
    times: usize,
    // Its last name is gone; it takes room until it is closed.
    orphan: bool,
}

/// How much there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quota {
    pub(super) bytes_max: u64,
    pub(super) entries_max: u64,
}

/// There is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Usage {
    /// Counts everything in a folder. Blocks; links are entries, and not followed.
    pub(super) fn scan(root: &cap_std::fs::Dir) -> io::Result<Self> {
        let (mut counts, mut several) = (Counts::default(), HashSet::new());
        let mut folders = vec![root.try_clone()?];
        while let Some(folder) = folders.pop() {
            for entry in folder.entries()? {
                let entry = entry?;
                counts.entries += 1;
                let about = entry.metadata()?;
                if about.is_dir() {
                    folders.push(entry.open_dir()?);
                } else if about.is_file() && (cap_std::fs::MetadataExt::nlink(&about) == 1 || several.insert(id_of(&about))) {
                    counts.bytes = counts.bytes.saturating_add(about.len());
                }
            }
        }
        Ok(Self { turn: Arc::default(), counts: Mutex::new(counts) })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether so many bytes more have room.
    pub(super) fn room_for_bytes(&self, more: u64, quota: Quota) -> Result<(), Full> {
        let fits = more == 0 || self.counts().bytes.checked_add(more).is_some_and(|bytes| bytes <= quota.bytes_max);
        if fits { Ok(()) } else { Err(Full) }
    }

    /// Whether one entry more has room.
    pub(super) fn room_for_entry(&self, quota: Quota) -> Result<(), Full> {
        if self.counts().entries < quota.entries_max { Ok(()) } else { Err(Full) }
    }

    /// Something was made.
    pub(super) fn add_entry(&self) {
        self.counts().entries += 1;
    }

    /// A name is gone that was no file's: a folder, a link.
    pub(super) fn remove_entry(&self) {
        let mut counts = self.counts();
        counts.entries = counts.entries.saturating_sub(1);
    }

    /// A file has another size now.
    pub(super) fn resized(&self, before: u64, after: u64) {
        let mut counts = self.counts();
        counts.bytes = counts.bytes.saturating_sub(before).saturating_add(after);
    }

    /// A name of a file is gone. Its bytes are free when it has no other name and nobody has it open.
    pub(super) fn unlinked(&self, about: &cap_std::fs::Metadata) {
        let mut counts = self.counts();
        counts.entries = counts.entries.saturating_sub(1);
        if !about.is_file() || cap_std::fs::MetadataExt::nlink(about) > 1 {
            return;
        }
        match counts.open.get_mut(&id_of(about)) {
            Some(open) => {
                open.orphan = true;
                counts.entries = counts.entries.saturating_add(1);
            }
            None => counts.bytes = counts.bytes.saturating_sub(about.len()),
        }
    }
}

pub(super) fn id_of(about: &cap_std::fs::Metadata) -> FileId {
    (cap_std::fs::MetadataExt::dev(about), cap_std::fs::MetadataExt::ino(about))
}

/// A file that a guest has open: its descriptor, its streams and what is being written share it.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) file: Arc<std::fs::File>,
    id: FileId,
    // None where nobody writes.
    usage: Option<Arc<Usage>>,
}

impl OpenFile {
    /// Takes an open file, and notes that it is.
    pub(super) fn new(file: std::fs::File, usage: Option<Arc<Usage>>) -> io::Result<Self> {
        let about = file.metadata()?;
        let id = (about.dev(), about.ino());
        if let Some(usage) = &usage {
            usage.counts().open.entry(id).or_default().times += 1;
        }
        Ok(Self { file: Arc::new(file), id, usage })
    }

    /// How large it is now.
    pub(super) fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        let Some(usage) = &self.usage else { return };
        let mut counts = usage.counts();
        let Some(open) = counts.open.get_mut(&self.id) else { return };
        open.times = open.times.saturating_sub(1);
        if open.times > 0 {
            return;
        }
        if counts.open.remove(&self.id).is_some_and(|open| open.orphan) {
            // A size that cannot be read stays counted: rather too much than too little.
            let freed = self.file.metadata().map_or(0, |about| about.len());
            counts.bytes = counts.bytes.saturating_sub(freed);
            counts.entries = counts.entries.saturating_sub(1);
        }
    }
}
