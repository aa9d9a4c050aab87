//! The host functions. Each charges the call, looks the handle up, and hands over to [`folder`](super::folder) or to `wasmtime-wasi`.

use super::folder::{Ask, Done, Folder, Opened, Refusal};
use super::stream::{FileReader, FileWriter, WriteFailed};
use super::usage::OpenFile;
use super::{FilesView, Handle, Target};
use std::sync::Arc;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream, ErrorCode, Filesize, Host,
    HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

type Fd = Resource<Descriptor>;

impl FilesView<'_> {
    /// WASI's own functions.
    fn wasi(&mut self) -> WasiFilesystemCtxView<'_> {
        WasiFilesystemCtxView { ctx: &mut self.handles.context, table: self.table }
    }

    fn charge(&mut self) -> FsResult<()> {
        self.budget.charge_host_call().map_err(FsError::trap)
    }

    fn handle(&mut self, fd: &Fd) -> FsResult<Handle> {
        self.charge()?;
        self.handles.open.get(&fd.rep()).cloned().ok_or_else(|| ErrorCode::BadDescriptor.into())
    }

    /// A folder to look something up in, by a path of a length that can be.
    fn dir(&mut self, fd: &Fd, path: &str) -> FsResult<(Arc<Folder>, Arc<cap_std::fs::Dir>)> {
        let handle = self.handle(fd)?;
        let most = self.cap.map_or(0, |cap| cap.limits.files_path_bytes_max);
        match handle.target {
            _ if path.len() > most => Err(ErrorCode::NameTooLong.into()),
            _ if path.contains('\0') => Err(ErrorCode::Invalid.into()),
            Target::Folder(dir) => Ok((handle.folder, dir)),
            Target::File(_) => Err(ErrorCode::NotDirectory.into()),
        }
    }

    /// The same to change something there.
    fn writable(&mut self, what: &str, fd: &Fd, path: &str) -> FsResult<(Arc<Folder>, Arc<cap_std::fs::Dir>)> {
        let (folder, dir) = self.dir(fd, path)?;
        match folder.room {
            Some(_) => Ok((folder, dir)),
            None => Err(self.refuse(what, path, &folder, Refusal::Code(ErrorCode::ReadOnly))),
        }
    }

    /// A file to write to.
    fn writable_file(&mut self, what: &str, fd: &Fd) -> FsResult<(Arc<Folder>, Arc<OpenFile>)> {
        let Handle { folder, target } = self.handle(fd)?;
        let Target::File(open) = target else { return Err(ErrorCode::BadDescriptor.into()) };
        if folder.room.is_none() {
            return Err(self.refuse(what, "", &folder, Refusal::Code(ErrorCode::ReadOnly)));
        }
        // A descriptor that was opened to read is not written to, whatever the grant.
        match self.table.get(fd)? {
            Descriptor::File(file) if file.open_mode.contains(wasmtime_wasi::filesystem::OpenMode::WRITE) => Ok((folder, open)),
            _ => Err(ErrorCode::BadDescriptor.into()),
        }
    }

    /// Does what is done in a folder, on a thread for it.
    async fn work<T: Send + 'static>(
        &mut self,
        what: &str,
        path: &str,
        folder: &Arc<Folder>,
        work: impl FnOnce(&Folder) -> Done<T> + Send + 'static,
    ) -> FsResult<T> {
        folder.on_thread(work).await.map_err(|refusal| self.refuse(what, path, folder, refusal))
    }

    /// Whether what a path names may be touched at all, as far as it is there.
    async fn check(&mut self, what: &str, folder: &Arc<Folder>, dir: &Arc<cap_std::fs::Dir>, path: &str, flags: PathFlags) -> FsResult<()> {
        let (dir, named, follow) = (Arc::clone(dir), path.to_owned(), flags.contains(PathFlags::SYMLINK_FOLLOW));
        self.work(what, path, folder, move |_| Folder::check_plain(&dir, &named, follow)).await
    }

    fn keep(&mut self, folder: Arc<Folder>, opened: Opened) -> FsResult<Fd> {
        let (descriptor, target) = match opened {
            Opened::Folder(dir, descriptor) => (Descriptor::Dir(descriptor), Target::Folder(dir)),
            Opened::File(open, descriptor) => (Descriptor::File(descriptor), Target::File(open)),
        };
        let fd = self.table.push(descriptor)?;
        self.handles.open.insert(fd.rep(), Handle { folder, target });
        Ok(fd)
    }
}

impl preopens::Host for FilesView<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Fd, String)>> {
        self.budget.charge_host_call()?;
        let folders = self.cap.map(|cap| cap.folders.clone()).unwrap_or_default();
        let preopen = |folder: Arc<Folder>| {
            let (name, root) = (format!("/{}", folder.name), folder.root()?);
            Ok((self.keep(folder, root)?, name))
        };
        folders.into_iter().map(preopen).collect()
    }
}

impl Host for FilesView<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.budget.charge_host_call()?;
        match self.table.get(&error)?.downcast_ref::<WriteFailed>() {
            Some(WriteFailed(code)) => Ok(Some(*code)),
            None => self.wasi().filesystem_error_code(error),
        }
    }
}

impl HostDescriptor for FilesView<'_> {
    // --- looking: WASI's own ---------------------------------------------------------------------------------------------------

    async fn advise(&mut self, fd: Fd, offset: Filesize, len: Filesize, advice: Advice) -> FsResult<()> {
        self.charge()?;
        self.wasi().advise(fd, offset, len, advice).await
    }

    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        self.charge()?;
        self.wasi().sync_data(fd).await
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        self.charge()?;
        self.wasi().sync(fd).await
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<DescriptorFlags> {
        self.charge()?;
        self.wasi().get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<DescriptorType> {
        self.charge()?;
        self.wasi().get_type(fd).await
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<DescriptorStat> {
        self.charge()?;
        self.wasi().stat(fd).await
    }

    async fn stat_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<DescriptorStat> {
        let (folder, _) = self.dir(&fd, &path)?;
        let result = self.wasi().stat_at(fd, flags, path.clone()).await;
        result.map_err(|error| self.escaped("stat", &path, &folder, error))
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        let (folder, _) = self.dir(&fd, &path)?;
        let result = self.wasi().readlink_at(fd, path.clone()).await;
        result.map_err(|error| self.escaped("readlink", &path, &folder, error))
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<MetadataHashValue> {
        self.charge()?;
        self.wasi().metadata_hash(fd).await
    }

    async fn metadata_hash_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<MetadataHashValue> {
        let (folder, _) = self.dir(&fd, &path)?;
        let result = self.wasi().metadata_hash_at(fd, flags, path.clone()).await;
        result.map_err(|error| self.escaped("metadata-hash", &path, &folder, error))
    }

    async fn is_same_object(&mut self, a: Fd, b: Fd) -> wasmtime::Result<bool> {
        self.budget.charge_host_call()?;
        self.wasi().is_same_object(a, b).await
    }

    async fn read(&mut self, fd: Fd, len: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        self.charge()?;
        self.wasi().read(fd, len, offset).await
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<DirectoryEntryStream>> {
        let (folder, dir) = self.dir(&fd, "")?;
        let most = self.cap.map_or(0, |cap| cap.limits.files_listing_max);
        self.work("read-directory", "", &folder, move |_| Folder::check_listing(&dir, most)).await?;
        self.wasi().read_directory(fd).await
    }

    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        let Target::File(open) = self.handle(&fd)?.target else { return Err(ErrorCode::IsDirectory.into()) };
        let stream = self.wasi().read_via_stream(fd, offset)?;
        let reader: DynInputStream = Box::new(FileReader::new(self.table.delete(stream)?, open));
        Ok(self.table.push(reader)?)
    }

    // --- opening ---------------------------------------------------------------------------------------------------------------

    async fn open_at(&mut self, fd: Fd, path_flags: PathFlags, path: String, oflags: OpenFlags, flags: DescriptorFlags) -> FsResult<Fd> {
        let (folder, dir) = self.dir(&fd, &path)?;
        let sync = DescriptorFlags::FILE_INTEGRITY_SYNC | DescriptorFlags::DATA_INTEGRITY_SYNC | DescriptorFlags::REQUESTED_WRITE_SYNC;
        if flags.intersects(sync) {
            return Err(ErrorCode::Unsupported.into());
        }
        let changes = OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE;
        if oflags.contains(OpenFlags::DIRECTORY) && oflags.intersects(changes) {
            return Err(ErrorCode::Invalid.into());
        }
        let ask = Ask {
            follow: path_flags.contains(PathFlags::SYMLINK_FOLLOW),
            create: oflags.contains(OpenFlags::CREATE),
            exclusive: oflags.contains(OpenFlags::EXCLUSIVE),
            truncate: oflags.contains(OpenFlags::TRUNCATE),
            directory: oflags.contains(OpenFlags::DIRECTORY),
            read: flags.contains(DescriptorFlags::READ),
            write: flags.contains(DescriptorFlags::WRITE),
        };
        if folder.room.is_none() && (ask.create || ask.truncate || ask.write) {
            return Err(self.refuse("open", &path, &folder, Refusal::Code(ErrorCode::ReadOnly)));
        }
        let named = path.clone();
        let opened = self.work("open", &path, &folder, move |folder| folder.open(&dir, &named, ask)).await?;
        self.keep(folder, opened)
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        self.handles.open.remove(&fd.rep());
        HostDescriptor::drop(&mut self.wasi(), fd)
    }

    // --- changing --------------------------------------------------------------------------------------------------------------

    async fn write(&mut self, fd: Fd, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        let (folder, open) = self.writable_file("write", &fd)?;
        let count = bytes.len() as u64;
        self.work("write", "", &folder, move |folder| folder.write(&open, &bytes, Some(offset))).await?;
        Ok(count)
    }

    fn write_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynOutputStream>> {
        let (folder, open) = self.writable_file("write", &fd)?;
        let writer: DynOutputStream = Box::new(FileWriter::new(folder, open, Some(offset)));
        Ok(self.table.push(writer)?)
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        let (folder, open) = self.writable_file("append", &fd)?;
        let writer: DynOutputStream = Box::new(FileWriter::new(folder, open, None));
        Ok(self.table.push(writer)?)
    }

    async fn set_size(&mut self, fd: Fd, size: Filesize) -> FsResult<()> {
        let (folder, open) = self.writable_file("set-size", &fd)?;
        self.work("set-size", "", &folder, move |folder| folder.set_size(&open, size)).await
    }

    async fn set_times(&mut self, fd: Fd, accessed: NewTimestamp, modified: NewTimestamp) -> FsResult<()> {
        let handle = self.handle(&fd)?;
        if handle.folder.room.is_none() {
            return Err(self.refuse("set-times", "", &handle.folder, Refusal::Code(ErrorCode::ReadOnly)));
        }
        self.wasi().set_times(fd, accessed, modified).await
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        let (folder, dir) = self.writable("set-times", &fd, &path)?;
        self.check("set-times", &folder, &dir, &path, flags).await?;
        self.wasi().set_times_at(fd, flags, path, accessed, modified).await
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let (folder, dir) = self.writable("create-directory", &fd, &path)?;
        let named = path.clone();
        self.work("create-directory", &path, &folder, move |folder| folder.create_folder(&dir, &named)).await
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let (folder, dir) = self.writable("remove-directory", &fd, &path)?;
        let named = path.clone();
        self.work("remove-directory", &path, &folder, move |folder| folder.remove_folder(&dir, &named)).await
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        let (folder, dir) = self.writable("unlink", &fd, &path)?;
        let named = path.clone();
        self.work("unlink", &path, &folder, move |folder| folder.unlink(&dir, &named)).await
    }

    async fn rename_at(&mut self, fd: Fd, path: String, to_fd: Fd, to: String) -> FsResult<()> {
        let (folder, dir) = self.writable("rename", &fd, &path)?;
        let (to_folder, to_dir) = self.writable("rename", &to_fd, &to)?;
        if !Arc::ptr_eq(&folder, &to_folder) {
            return Err(self.refuse("rename", &to, &folder, Refusal::Code(ErrorCode::CrossDevice)));
        }
        let from = path.clone();
        self.work("rename", &path, &folder, move |folder| folder.rename(&dir, &from, &to_dir, &to)).await
    }

    async fn link_at(&mut self, fd: Fd, _flags: PathFlags, path: String, _to_fd: Fd, _to: String) -> FsResult<()> {
        let (folder, _) = self.dir(&fd, &path)?;
        Err(self.refuse("link", &path, &folder, Refusal::Code(ErrorCode::NotPermitted)))
    }

    async fn symlink_at(&mut self, fd: Fd, target: String, path: String) -> FsResult<()> {
        let (folder, _) = self.dir(&fd, &path)?;
        Err(self.refuse("symlink", &target, &folder, Refusal::Code(ErrorCode::NotPermitted)))
    }
}

impl FilesView<'_> {
    /// What WASI's own functions say of a path that leads out of a folder goes to the audit log as well.
    fn escaped(&mut self, what: &str, path: &str, folder: &Folder, error: FsError) -> FsError {
        match error.downcast_ref() {
            Some(ErrorCode::NotPermitted) => {
                let refused = self.refuse(what, path, folder, Refusal::Io(std::io::ErrorKind::PermissionDenied.into()));
                drop(refused);
                error
            }
            _ => error,
        }
    }
}

impl HostDirectoryEntryStream for FilesView<'_> {
    async fn read_directory_entry(&mut self, stream: Resource<DirectoryEntryStream>) -> FsResult<Option<DirectoryEntry>> {
        self.charge()?;
        self.wasi().read_directory_entry(stream).await
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        HostDirectoryEntryStream::drop(&mut self.wasi(), stream)
    }
}
