//! What is done in a granted folder: everything that blocks, and everything that takes room. Nothing here knows of guests.

use super::usage::{Full, OpenFile, Quota, Usage};
use cap_std::fs::{Dir, Metadata, OpenOptions, OpenOptionsExt as _};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use wasmtime_wasi::filesystem::{self as wasi, FsPerms, OpenMode};
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

/// `O_NONBLOCK`: to open a FIFO would wait for somebody at its other end, and hold a thread meanwhile. It means nothing to files.
#[cfg(target_os = "linux")]
const NONBLOCK: i32 = 0o4000;
#[cfg(not(target_os = "linux"))]
const NONBLOCK: i32 = 4;

/// A folder as one binding was granted it.
#[derive(Debug)]
pub(super) struct Folder {
    /// What the operator calls it.
    pub(super) name: String,
    /// The folder itself.
    pub(super) root: Arc<Dir>,
    /// Its room, where the plugin may write.
    pub(super) room: Option<Room>,
}

/// Where a plugin may write.
#[derive(Debug, Clone)]
pub(super) struct Room {
    pub(super) usage: Arc<Usage>,
    pub(super) quota: Quota,
}

/// How something is to be opened.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools, reason = "they are flags of the system's")]
pub(super) struct Ask {
    pub(super) follow: bool,
    pub(super) create: bool,
    pub(super) exclusive: bool,
    pub(super) truncate: bool,
    pub(super) directory: bool,
    pub(super) read: bool,
    pub(super) write: bool,
}

/// What was opened.
pub(super) enum Opened {
    /// A folder.
    Folder(Arc<Dir>, wasi::Dir),
    /// A file.
    File(Arc<OpenFile>, wasi::File),
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// By the system, or because the path leads out of the folder.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// By us.
    #[error("{0}")]
    Code(ErrorCode),
    /// It is neither a file nor a folder.
    #[error("neither a file nor a folder")]
    Special,
    /// There is no room.
    #[error("no room")]
    Full,
}

impl From<Full> for Refusal {
    fn from(Full: Full) -> Self {
        Self::Full
    }
}

pub(super) type Done<T> = Result<T, Refusal>;

impl Folder {
    pub(super) fn perms(&self) -> FsPerms {
        if self.room.is_some() { FsPerms::ReadWrite } else { FsPerms::ReadOnly }
    }

    /// The root as WASI's own functions see it.
    pub(super) fn root(&self) -> Done<Opened> {
        self.folder(Arc::clone(&self.root))
    }

    fn folder(&self, dir: Arc<Dir>) -> Done<Opened> {
        let mode = if self.room.is_some() { OpenMode::READ | OpenMode::WRITE } else { OpenMode::READ };
        let handle = dir.try_clone()?.into_std_file();
        Ok(Opened::Folder(dir, wasi::Dir::new(handle, self.perms(), mode, false)))
    }

    fn room(&self) -> Done<&Room> {
        self.room.as_ref().ok_or(Refusal::Code(ErrorCode::ReadOnly))
    }

    /// Does something on a thread for it, and, where the plugin may write, while nothing else changes in the folder.
    pub(super) async fn on_thread<T: Send + 'static>(self: &Arc<Self>, work: impl FnOnce(&Self) -> Done<T> + Send + 'static) -> Done<T> {
        let turn = match &self.room {
            Some(room) => Some(Arc::clone(&room.usage.turn).lock_owned().await),
            None => None,
        };
        let folder = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            // Held by the work, not by whoever waits for it: that one may go away.
            let _turn = turn;
            work(&folder)
        });
        done.await.unwrap_or_else(|error| Err(Refusal::Io(io::Error::other(error))))
    }

    /// Opens a file or a folder. Room for a new one is looked for first, and what is cut off is given back.
    pub(super) fn open(&self, dir: &Dir, path: &str, ask: Ask) -> Done<Opened> {
        let present = match about(dir, path, ask.follow) {
            Ok(present) => Some(present),
            Err(error) if ask.create && error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        match &present {
            Some(_) if ask.create && ask.exclusive => return Err(Refusal::Code(ErrorCode::Exist)),
            Some(present) if present.is_symlink() => return Err(Refusal::Code(ErrorCode::Loop)),
            Some(present) if !present.is_file() && !present.is_dir() => return Err(Refusal::Special),
            Some(present) if ask.directory && !present.is_dir() => return Err(Refusal::Code(ErrorCode::NotDirectory)),
            Some(present) if present.is_dir() && (ask.write || ask.create || ask.truncate) => {
                return Err(Refusal::Code(ErrorCode::IsDirectory));
            }
            Some(_) => {}
            None => {
                let room = self.room()?;
                room.usage.room_for_entry(room.quota)?;
            }
        }
        let mut options = OpenOptions::new();
        let write = ask.write || ask.create || ask.truncate;
        options.read(ask.read || !write).write(write).create_new(present.is_none()).custom_flags(NONBLOCK);
        let file = dir.open_with(path, &options)?.into_std();
        if let (None, Some(room)) = (&present, &self.room) {
            room.usage.add_entry();
        }
        self.opened(file, ask, write)
    }

    fn opened(&self, file: std::fs::File, ask: Ask, write: bool) -> Done<Opened> {
        let about = file.metadata()?;
        if about.is_dir() {
            return self.folder(Arc::new(Dir::from_std_file(file)));
        }
        // Somebody may have put something else there since it was looked at.
        if !about.is_file() {
            return Err(Refusal::Special);
        }
        let handle = file.try_clone()?;
        let open = Arc::new(OpenFile::new(file, self.room.as_ref().map(|room| Arc::clone(&room.usage)))?);
        if ask.truncate {
            self.set_size(&open, 0)?;
        }
        let mut mode = if ask.read || !write { OpenMode::READ } else { OpenMode::empty() };
        mode.set(OpenMode::WRITE, write);
        Ok(Opened::File(open, wasi::File::new(handle, self.perms(), mode, false)))
    }

    /// Makes a file longer or shorter, if there is room.
    pub(super) fn set_size(&self, open: &OpenFile, size: u64) -> Done<()> {
        let room = self.room()?;
        let before = open.size()?;
        room.usage.room_for_bytes(size.saturating_sub(before), room.quota)?;
        let done = open.file.set_len(size);
        room.usage.resized(before, open.size().unwrap_or(size));
        Ok(done?)
    }

    /// Writes at a place, or at the end. A hole before it takes room as well: somebody could fill it.
    pub(super) fn write(&self, open: &OpenFile, bytes: &[u8], at: Option<u64>) -> Done<u64> {
        let room = self.room()?;
        let before = open.size()?;
        let at = at.unwrap_or(before);
        let end = at.checked_add(bytes.len() as u64).ok_or(Refusal::Code(ErrorCode::FileTooLarge))?;
        if bytes.is_empty() {
            return Ok(end);
        }
        room.usage.room_for_bytes(end.saturating_sub(before), room.quota)?;
        let done = open.file.write_all_at(bytes, at);
        // Also what was written before it failed.
        room.usage.resized(before, open.size().unwrap_or_else(|_| before.max(end)));
        done?;
        Ok(end)
    }

    pub(super) fn create_folder(&self, dir: &Dir, path: &str) -> Done<()> {
        let room = self.room()?;
        if about(dir, path, false).is_err() {
            room.usage.room_for_entry(room.quota)?;
        }
        dir.create_dir(path)?;
        room.usage.add_entry();
        Ok(())
    }

    pub(super) fn remove_folder(&self, dir: &Dir, path: &str) -> Done<()> {
        let room = self.room()?;
        dir.remove_dir(path)?;
        room.usage.remove_entry();
        Ok(())
    }

    pub(super) fn unlink(&self, dir: &Dir, path: &str) -> Done<()> {
        let room = self.room()?;
        let gone = about(dir, path, false)?;
        if gone.is_dir() {
            return Err(Refusal::Code(ErrorCode::IsDirectory));
        }
        dir.remove_file(path)?;
        room.usage.unlinked(&gone);
        Ok(())
    }

    pub(super) fn rename(&self, dir: &Dir, path: &str, to_dir: &Dir, to: &str) -> Done<()> {
        let room = self.room()?;
        let (moved, replaced) = (about(dir, path, false)?, about(to_dir, to, false).ok());
        let same = |other: &Metadata| super::usage::id_of(other) == super::usage::id_of(&moved);
        dir.rename(path, to_dir, to)?;
        if let Some(replaced) = replaced.filter(|replaced| !same(replaced)) {
            room.usage.unlinked(&replaced);
        }
        Ok(())
    }

    /// Whether a folder has few enough entries to be listed.
    pub(super) fn check_listing(dir: &Dir, most: usize) -> Done<()> {
        let more = dir.entries()?.nth(most).is_some();
        if more { Err(Refusal::Code(ErrorCode::InsufficientMemory)) } else { Ok(()) }
    }

    /// Whether something is a file or a folder, or a link as such: nothing else is touched.
    pub(super) fn check_plain(dir: &Dir, path: &str, follow: bool) -> Done<()> {
        let about = about(dir, path, follow)?;
        if about.is_file() || about.is_dir() || about.is_symlink() { Ok(()) } else { Err(Refusal::Special) }
    }
}

fn about(dir: &Dir, path: &str, follow: bool) -> io::Result<Metadata> {
    if follow { dir.metadata(path) } else { dir.symlink_metadata(Path::new(path)) }
}
