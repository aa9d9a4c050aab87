//! `wasi:filesystem`: folders that the operator named and the manifest grants. A guest sees each at `/<name>`, and nothing beyond it.
//!
//! Every language's files end up here, so this is WASI's own interface and not one of ours. What only looks goes to `wasmtime-wasi`; what
//! opens, writes or takes room is done here: regular files and folders only, no links, within a quota. Blocking work has threads of its own.
//!
//! In reading order: this file, `host` (the host functions), `folder` (what they do), `usage` (what a folder takes), `stream` (writes through
//! a stream).

mod folder;
mod host;
mod stream;
mod usage;

use super::budget::Budget;
use crate::config::Folder as ConfiguredFolder;
use crate::grants::{Access, FolderGrant};
use crate::limits::Limits;
use folder::{Folder, Refusal, Room};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use usage::{OpenFile, Quota, Usage};
use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::filesystem::WasiFilesystemCtx;
use wasmtime_wasi::p2::FsError;
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};

/// A folder cannot be granted.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// Nobody offers it.
    #[error("there is no folder {0:?}")]
    Unknown(String),
    /// It is not there, or cannot be read.
    #[error("the folder {name:?} ({path}) cannot be opened: {error}; make it, or correct [folders.{name}] of cofferdam.toml")]
    Open {
        /// What the operator calls it.
        name: String,
        /// Where it should be.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// Seen through its links, it is where no folder may be.
    #[error("the folder {name:?} is {real} in truth, which {why}; name another one in [folders.{name}] of cofferdam.toml")]
    Kept {
        /// What the operator calls it.
        name: String,
        /// Where it is.
        real: String,
        /// Why not there.
        why: &'static str,
    },
}

/// The folders of this host: one per process.
pub struct Files {
    folders: BTreeMap<String, ConfiguredFolder>,
    // What the host trusts: no folder may be over it, or in it.
    kept: Vec<PathBuf>,
    limits: Arc<Limits>,
    usages: Mutex<HashMap<String, Weak<Usage>>>,
}

/// Folders that a binding was granted.
pub struct FilesCap {
    folders: Vec<Arc<Folder>>,
    limits: Arc<Limits>,
}

impl Files {
    /// Takes the operator's folders; nothing is opened yet. `kept` is what the host trusts.
    #[must_use]
    pub fn new(folders: &BTreeMap<String, ConfiguredFolder>, kept: Vec<PathBuf>, limits: &Arc<Limits>) -> Self {
        Self { folders: folders.clone(), kept, limits: Arc::clone(limits), usages: Mutex::default() }
    }

    /// What a binding was granted; none when that is nothing. Blocks: a folder to write in is counted, unless somebody else writes there
    /// already.
    pub fn grant(&self, grants: &BTreeMap<String, FolderGrant>) -> Result<Option<FilesCap>, FilesError> {
        let folders = grants.iter().map(|(name, grant)| self.folder(name, grant).map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
        Ok((!folders.is_empty()).then(|| FilesCap { folders, limits: Arc::clone(&self.limits) }))
    }

    fn folder(&self, name: &str, grant: &FolderGrant) -> Result<Folder, FilesError> {
        let configured = self.folders.get(name).ok_or_else(|| FilesError::Unknown(name.to_owned()))?;
        let failed = |error| FilesError::Open { name: name.to_owned(), path: configured.path.display().to_string(), error };
        let real = configured.path.canonicalize().map_err(failed)?;
        if let Some(why) = self.kept(&real) {
            return Err(FilesError::Kept { name: name.to_owned(), real: real.display().to_string(), why });
        }
        let root = cap_std::fs::Dir::open_ambient_dir(&real, cap_std::ambient_authority()).map_err(failed)?;
        let room = match grant.access {
            Access::Read => None,
            Access::Write => {
                let quota = Quota { bytes_max: grant.bytes_max, entries_max: grant.entries_max.into() };
                Some(Room { usage: self.usage(name, &root).map_err(failed)?, quota })
            }
        };
        Ok(Folder { name: name.to_owned(), root: Arc::new(root), room })
    }

    /// Why no folder may be here. The configuration was checked as it is written; this is the same behind links.
    fn kept(&self, real: &Path) -> Option<&'static str> {
        let over = |kept: &PathBuf| places(kept).iter().any(|kept| kept.starts_with(real) || real.starts_with(kept));
        if real.parent().is_none() {
            Some("is the root of the file system")
        } else if ["/proc", "/sys", "/dev"].iter().any(|system| real.starts_with(system)) {
            Some("has no files in it")
        } else {
            self.kept.iter().any(over).then_some("overlaps what the host keeps for itself")
        }
    }

    fn usage(&self, name: &str, root: &cap_std::fs::Dir) -> io::Result<Arc<Usage>> {
        let mut usages = self.usages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(usage) = usages.get(name).and_then(Weak::upgrade) {
            return Ok(usage);
        }
        let usage = Arc::new(Usage::scan(root)?);
        usages.insert(name.to_owned(), Arc::downgrade(&usage));
        Ok(usage)
    }
}

/// Where a path leads in truth: to what it names, and, where that is a link, to the link itself. What is not there yet is where it will be.
fn places(path: &Path) -> Vec<PathBuf> {
    let mut places: Vec<_> = path.canonicalize().into_iter().collect();
    let above = path.ancestors().skip(1).find_map(|above| {
        let named = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        Some(named.canonicalize().ok()?.join(path.strip_prefix(above).ok()?))
    });
    places.extend(above);
    places
}

/// What one call has open.
#[derive(Default)]
pub struct Handles {
    context: WasiFilesystemCtx,
    // By the numbers that WASI's own table has for them.
    open: HashMap<u32, Handle>,
}

#[derive(Clone)]
struct Handle {
    folder: Arc<Folder>,
    target: Target,
}

#[derive(Clone)]
enum Target {
    Folder(Arc<cap_std::fs::Dir>),
    File(Arc<OpenFile>),
}

/// One call's view.
pub struct FilesView<'a> {
    /// What the binding was granted.
    pub cap: Option<&'a FilesCap>,
    /// What the call has open.
    pub handles: &'a mut Handles,
    /// What the call has in WASI's own table.
    pub table: &'a mut ResourceTable,
    /// What the call may still take.
    pub budget: &'a mut Budget,
}

impl FilesView<'_> {
    /// Says in the audit log what was denied, and gives the code for the guest. Other failures pass.
    fn refuse(&mut self, what: &str, path: &str, folder: &Folder, refusal: Refusal) -> FsError {
        let why = match &refusal {
            // What leads out of a folder has an error without a number of the system's.
            Refusal::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => "outside, or not permitted",
            Refusal::Code(types::ErrorCode::ReadOnly) => "granted to read only",
            Refusal::Code(types::ErrorCode::NotPermitted) => "links are not made here",
            Refusal::Code(types::ErrorCode::CrossDevice) => "not within one folder",
            Refusal::Special => "no file, no folder",
            Refusal::Full => "the quota is used up",
            Refusal::Io(_) | Refusal::Code(_) => "",
        };
        if !why.is_empty() {
            // What is cut off where a path is long is the path's own end.
            super::audit::denied(self.budget, "files", &format!("{why}: {what} /{}/{path}", folder.name));
        }
        match refusal {
            Refusal::Io(error) => error.into(),
            refusal => code_of(&refusal).into(),
        }
    }
}

/// The guest's code for what is not an error of the system's.
fn code_of(refusal: &Refusal) -> types::ErrorCode {
    match refusal {
        Refusal::Io(_) => types::ErrorCode::Io,
        Refusal::Code(code) => *code,
        Refusal::Special => types::ErrorCode::NotPermitted,
        Refusal::Full => types::ErrorCode::Quota,
    }
}

struct HasFiles;

impl HasData for HasFiles {
    type Data<'a> = FilesView<'a>;
}

/// Links the interface, in the place of the one without any folders.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> FilesView<'_>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    preopens::add_to_linker::<T, HasFiles>(linker, view)?;
    types::add_to_linker::<T, HasFiles>(linker, view)?;
    linker.allow_shadowing(false);
    Ok(())
}
