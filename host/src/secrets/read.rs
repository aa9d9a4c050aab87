//! Reads a secret from where it is.

use crate::secret::Secret;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use zeroize::Zeroizing;

/// Why a secret cannot be read. For the log: holds nothing of the secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{} is not a file", .0.display())]
    NotAFile(PathBuf),
    #[error("the environment has no such variable, or it is not text")]
    NoVariable,
    #[error("{program} does not start: {error}")]
    NotStarted { program: String, error: io::Error },
    #[error("what the command prints cannot be read: {0}")]
    Output(io::Error),
    #[error("the command ended with {0}; run it by hand to see why")]
    Status(ExitStatus),
    #[error("the command did not end within {0:?} (secret_command_time_max)")]
    Slow(Duration),
    #[error("it is longer than {0} bytes (secret_bytes_max)")]
    TooLong(usize),
    #[error("it is empty")]
    Empty,
    #[error("it is not UTF-8 text")]
    NotText,
}

/// Tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The times of a file move in steps: two changes within one step cannot be told apart, so a file is known by them only when its last change
/// is this old.
const SETTLED: Duration = Duration::from_secs(1);

/// A text, and what the file is known by from now on.
type Read = (Secret, Option<Stamp>);

/// Bits of a file's mode that let others than its owner in.
const OTHERS: u32 = 0o077;

/// A file's text; none when it is still the one that was read.
pub(super) async fn file(path: &Path, name: &str, bytes_max: usize, known: Option<Stamp>) -> Result<Option<Read>, Failed> {
    let (path, name) = (path.to_owned(), name.to_owned());
    let shown = path.clone();
    let read = tokio::task::spawn_blocking(move || read_file(&path, &name, bytes_max, known)).await;
    read.map_err(|error| Failed::File { path: shown, error: io::Error::other(error) })?
}

fn read_file(path: &Path, name: &str, bytes_max: usize, known: Option<Stamp>) -> Result<Option<Read>, Failed> {
    let failed = |error| Failed::File { path: path.to_owned(), error };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    // Opening a pipe would wait for somebody to write to it.
    if !metadata.is_file() {
        return Err(Failed::NotAFile(path.to_owned()));
    }
    if known == Some(Stamp::of(&metadata)) {
        return Ok(None);
    }
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.mode() & OTHERS != 0 {
        let mode = format!("{:o}", metadata.mode() & 0o777);
        tracing::warn!(secret = name, file = %path.display(), mode, "others than its owner may read this secret's file, or write it: chmod 600");
    }
    // The whole room from the start: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max + 2));
    let most = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    file.take(most).read_to_end(&mut bytes).map_err(failed)?;
    let settled = metadata.modified().is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age >= SETTLED));
    Ok(Some((text(&bytes, bytes_max)?, settled.then(|| Stamp::of(&metadata)))))
}

/// A variable's text, which was taken when the host started.
pub(super) fn variable(text: Option<&Secret>, bytes_max: usize) -> Result<Secret, Failed> {
    let secret = text.ok_or(Failed::NoVariable)?;
    match secret.expose().len() {
        0 => Err(Failed::Empty),
        bytes if bytes > bytes_max => Err(Failed::TooLong(bytes_max)),
        _ => Ok(secret.clone()),
    }
}

/// What a program prints. It has nothing to read, and what it says on standard error is not kept: it may hold the secret.
pub(super) async fn command(argv: &[String], folder: &Path, bytes_max: usize, time_max: Duration) -> Result<Secret, Failed> {
    let (program, arguments) = argv.split_first().ok_or(Failed::Empty)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    if !folder.as_os_str().is_empty() {
        command.current_dir(folder);
    }
    let mut child = command.spawn().map_err(|error| Failed::NotStarted { program: program.clone(), error })?;
    let ended = async {
        let mut bytes = Zeroizing::new(Vec::with_capacity(bytes_max + 2));
        if let Some(stdout) = child.stdout.take() {
            let most = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
            stdout.take(most).read_to_end(&mut bytes).await.map_err(Failed::Output)?;
        }
        if bytes.len() > bytes_max {
            return Err(Failed::TooLong(bytes_max));
        }
        let status = child.wait().await.map_err(Failed::Output)?;
        if status.success() { text(&bytes, bytes_max) } else { Err(Failed::Status(status)) }
    };
    tokio::time::timeout(time_max, ended).await.unwrap_or(Err(Failed::Slow(time_max)))
}

/// The text without the line break at its end, which editors and programs put there.
fn text(bytes: &[u8], bytes_max: usize) -> Result<Secret, Failed> {
    if bytes.len() > bytes_max {
        return Err(Failed::TooLong(bytes_max));
    }
    let text = str::from_utf8(bytes).map_err(|_| Failed::NotText)?;
    let line = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if line.is_empty() { Err(Failed::Empty) } else { Ok(Secret::new(line.to_owned())) }
}
