//! What a guest reads and writes through a stream: the same as without one, one write after the other.

use super::folder::{Done, Folder, Refusal};
use super::usage::OpenFile;
use bytes::Bytes;
use std::sync::Arc;
use tokio::task::JoinHandle;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::{DynInputStream, InputStream, OutputStream, Pollable, StreamError, StreamResult};

/// How much a guest may write at once.
const WRITE_BYTES_MAX: usize = 64 << 10;

/// Why a write failed, as the guest finds it behind the stream's error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct WriteFailed(pub(super) ErrorCode);

/// WASI's own stream of a file that is read. It keeps the file open, so that a file without a name is counted for as long as it is read.
pub(super) struct FileReader {
    stream: DynInputStream,
    // Dropped after the stream: what is counted is there at least as long as the file.
    _open: Arc<OpenFile>,
}

impl FileReader {
    pub(super) fn new(stream: DynInputStream, open: Arc<OpenFile>) -> Self {
        Self { stream, _open: open }
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for FileReader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.stream.read(size)
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.stream.blocking_read(size).await
    }

    fn skip(&mut self, count: usize) -> StreamResult<usize> {
        self.stream.skip(count)
    }

    async fn blocking_skip(&mut self, count: usize) -> StreamResult<usize> {
        self.stream.blocking_skip(count).await
    }

    async fn cancel(&mut self) {
        self.stream.cancel().await;
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for FileReader {
    async fn ready(&mut self) {
        self.stream.ready().await;
    }
}

pub(super) struct FileWriter {
    folder: Arc<Folder>,
    open: Arc<OpenFile>,
    // None is the end, wherever that is at the time.
    at: Option<u64>,
    state: State,
}

enum State {
    Ready,
    Writing(JoinHandle<Done<u64>>),
    Failed(Refusal),
    Closed,
}

impl FileWriter {
    pub(super) fn new(folder: Arc<Folder>, open: Arc<OpenFile>, at: Option<u64>) -> Self {
        Self { folder, open, at, state: State::Ready }
    }

    /// The error of the last write, once.
    fn failure(&mut self) -> StreamResult<()> {
        if !matches!(self.state, State::Failed(_)) {
            return Ok(());
        }
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Failed(Refusal::Io(error)) => Err(StreamError::LastOperationFailed(error.into())),
            State::Failed(refusal) => Err(StreamError::LastOperationFailed(WriteFailed(super::code_of(&refusal)).into())),
            _ => Ok(()),
        }
    }
}

impl OutputStream for FileWriter {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        match self.state {
            State::Ready => {}
            State::Closed => return Err(StreamError::Closed),
            State::Writing(_) | State::Failed(_) => return Err(StreamError::trap("write not permitted: check_write not called first")),
        }
        if bytes.len() > WRITE_BYTES_MAX {
            return Err(StreamError::trap("write not permitted: more than check_write allowed"));
        }
        let (folder, open, at) = (Arc::clone(&self.folder), Arc::clone(&self.open), self.at);
        self.state = State::Writing(tokio::spawn(async move { folder.on_thread(move |folder| folder.write(&open, &bytes, at)).await }));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        match self.state {
            State::Closed => Err(StreamError::Closed),
            _ => self.failure(),
        }
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.failure()?;
        match self.state {
            State::Ready => Ok(WRITE_BYTES_MAX),
            State::Closed => Err(StreamError::Closed),
            State::Writing(_) | State::Failed(_) => Ok(0),
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for FileWriter {
    async fn ready(&mut self) {
        let State::Writing(writing) = &mut self.state else { return };
        let done = writing.await.unwrap_or_else(|error| Err(Refusal::Io(std::io::Error::other(error))));
        self.state = match done {
            Ok(end) => {
                self.at = self.at.map(|_| end);
                State::Ready
            }
            Err(refusal) => State::Failed(refusal),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::usage::{Full, Quota, Usage};
    use super::*;
    use wasmtime_wasi::p2::pipe::MemoryInputPipe;

    #[test]
    fn a_file_without_a_name_is_counted_for_as_long_as_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), [0; 10]).unwrap();
        let root = cap_std::fs::Dir::open_ambient_dir(folder.path(), cap_std::ambient_authority()).unwrap();
        let usage = Arc::new(Usage::scan(&root).unwrap());
        let file = std::fs::File::open(folder.path().join("a")).unwrap();
        let open = Arc::new(OpenFile::new(file, Some(Arc::clone(&usage))).unwrap());
        let reader = FileReader::new(Box::new(MemoryInputPipe::new(Bytes::new())), open);
        let about = root.symlink_metadata("a").unwrap();
        root.remove_file("a").unwrap();
        usage.unlinked(&about);
        let quota = Quota { bytes_max: 10, entries_max: 1 };
        assert_eq!(usage.room_for_bytes(1, quota), Err(Full));
        drop(reader);
        assert_eq!(usage.room_for_bytes(10, quota), Ok(()));
    }
}
