//! The folder of logs: which files are in it, and bytes of them.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Files that are looked at: the ones that were changed last.
pub(crate) const FILES_MAX: usize = 128;
/// Entries of the folder; each costs calls to the host. What is more is not seen.
const ENTRIES_MAX: usize = 1000;
/// What is read at once.
pub(crate) const BLOCK_BYTES: usize = 64 * 1024;
/// No text.
const PACKED: [&str; 7] = [".gz", ".bz2", ".xz", ".zst", ".zip", ".lz4", ".br"];

/// A file of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogFile {
    /// Its name within the folder.
    pub(crate) name: String,
    /// Its size.
    pub(crate) bytes: u64,
    /// When it was changed, in milliseconds since 1970.
    pub(crate) changed_ms: u64,
}

/// What was found in the folder.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// By name.
    pub(crate) files: Vec<LogFile>,
    /// How many entries were looked at.
    pub(crate) entries: usize,
}

/// The files of the folder itself; hidden and packed ones are left out.
pub(crate) fn list(folder: &Path) -> io::Result<Listing> {
    let (mut files, mut entries) = (Vec::new(), 0);
    for entry in fs::read_dir(folder)?.take(ENTRIES_MAX) {
        entries += 1;
        let Ok(name) = entry?.file_name().into_string() else { continue };
        // What cannot be looked at, such as a link out of the folder or a file that is just gone, is none.
        if is_log(&name)
            && let Ok(file) = stat(folder, name)
        {
            files.push(file);
        }
    }
    if files.len() > FILES_MAX {
        files.sort_by(|a, b| b.changed_ms.cmp(&a.changed_ms).then_with(|| a.name.cmp(&b.name)));
        files.truncate(FILES_MAX);
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Listing { files, entries })
}

/// One file of the folder.
pub(crate) fn stat(folder: &Path, name: String) -> io::Result<LogFile> {
    let metadata = fs::metadata(folder.join(&name))?;
    if !metadata.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let changed = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH).duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(LogFile { name, bytes: metadata.len(), changed_ms: u64::try_from(changed.as_millis()).unwrap_or(0) })
}

/// Whether a name can be that of a log: no path, not hidden, not packed.
pub(crate) fn is_log(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']) && !PACKED.iter().any(|end| name.ends_with(end))
}

/// Calls `take` with the bytes from `from` on, block by block, until it returns false, the file ends, or `bytes_max` were read.
pub(crate) fn read(path: &Path, from: u64, bytes_max: u64, mut take: impl FnMut(&[u8]) -> bool) -> io::Result<()> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(from))?;
    let mut file = file.take(bytes_max);
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(read) if take(block.get(..read).unwrap_or_default()) => {}
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
