//! Which of the hosts that share a file are alive: each holds a lock on a file of its own, which the kernel gives back when its process
//! ends, however it ends. Neither clocks nor process numbers, which are used again, have a part in it.

use crate::tasks::{NoRandomness, OpenError};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// That this host is alive, for as long as it is held.
pub(super) struct Presence {
    host: String,
    file: PathBuf,
    _lock: File,
}

/// Another host.
pub(super) enum Other {
    /// It may be running its tasks.
    Alive,
    /// It has gone. With its lock, if it left one, so that only one finder clears up after it.
    Gone(Option<File>),
}

impl Presence {
    /// Tells the others that this host is there.
    pub(super) fn begin(database: &Path) -> Result<Self, OpenError> {
        let mut bytes = [0u8; 8];
        getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
        let mut host = String::new();
        for byte in bytes {
            // Writing into memory does not fail.
            let _written = write!(host, "{byte:02x}");
        }
        let file = file_of(database, &host);
        let lock = open(&file)?;
        lock.lock()?;
        Ok(Self { host, file, _lock: lock })
    }

    /// The name of this host, never used before or again.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Takes the file away when nobody will ask for it any more.
    pub(super) fn forget(&self) {
        remove(&self.file);
    }
}

impl Other {
    /// Looks whether a host that has written into the database is still there.
    pub(super) fn look(database: &Path, host: &str) -> io::Result<Self> {
        let lock = match File::open(file_of(database, host)) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Gone(None)),
            Err(error) => return Err(error),
        };
        match lock.try_lock() {
            Ok(()) => Ok(Self::Gone(Some(lock))),
            Err(TryLockError::WouldBlock) => Ok(Self::Alive),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Takes away the file of a host that has gone.
    pub(super) fn forget(database: &Path, host: &str) {
        remove(&file_of(database, host));
    }
}

/// Lets one host at a time open the database: two that make it, or turn its journal on, would get into each other's way.
pub(super) fn turn(database: &Path) -> io::Result<File> {
    let lock = open(&beside(database, "lock"))?;
    lock.lock()?;
    Ok(lock)
}

fn open(file: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(super::database::MODE).open(file)
}

fn file_of(database: &Path, host: &str) -> PathBuf {
    beside(database, &format!("host-{host}"))
}

fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(format!(".{ending}"));
    PathBuf::from(name)
}

/// A file that stays takes no room and tells nothing wrong.
fn remove(file: &Path) {
    let _removed = fs::remove_file(file);
}
