//! Compiled code: compilation off the request path, and a cache on disk that only the host writes.
//!
//! The cache is a folder that nobody else may enter (mode 0700, owned by us; otherwise it is not used), with one file per component
//! digest below a folder per engine. Every file has a checksum beside it: code that was cut short or damaged is compiled again.

use super::engine::Engine;
use crate::ids::RevisionId;
use sha2::{Digest, Sha256};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use wasmtime::component::Component;

/// Why a component could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// It is not a component, or uses something that is switched off.
    #[error("not a component that can be run here: {0}")]
    Invalid(String),
    /// The host's fault.
    #[error("the compiler failed: {0}")]
    Internal(String),
}

/// Compiles components and keeps the code.
#[derive(Clone)]
pub struct CodeCache {
    engine: Engine,
    folder: Option<Arc<Path>>,
    permits: Arc<tokio::sync::Semaphore>,
}

impl CodeCache {
    /// Opens the cache below `state`. A folder that cannot be used costs time, not function: it is logged, and everything is compiled.
    #[must_use]
    pub fn open(engine: &Engine, state: &Path) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.inner().precompile_compatibility_hash().hash(&mut hasher);
        let folder = state.join("code").join(format!("{:016x}", hasher.finish()));
        let folder = match make_private(&folder) {
            Ok(()) => Some(Arc::from(folder)),
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "compiled code is not kept");
                None
            }
        };
        let permits = Arc::new(tokio::sync::Semaphore::new(engine.limits().compiles_max));
        Self { engine: engine.clone(), folder, permits }
    }

    /// A cache that keeps nothing: everything is compiled.
    #[must_use]
    pub fn none(engine: &Engine) -> Self {
        let permits = Arc::new(tokio::sync::Semaphore::new(engine.limits().compiles_max));
        Self { engine: engine.clone(), folder: None, permits }
    }

    /// The component's code: from the cache, or compiled and kept. Compilation runs on a blocking thread, with bounded parallelism.
    pub async fn compile(&self, revision: RevisionId, bytes: Vec<u8>) -> Result<Component, CompileError> {
        if !bytes.starts_with(b"\0asm") {
            return Err(CompileError::Invalid("the file does not begin like WebAssembly".to_owned()));
        }
        let internal = |error: &dyn std::fmt::Display| CompileError::Internal(error.to_string());
        let cache = self.clone();
        let cached = tokio::task::spawn_blocking(move || cache.read(revision)).await.map_err(|error| internal(&error))?;
        if let Some(component) = cached {
            return Ok(component);
        }
        let _permit = self.permits.acquire().await.map_err(|error| internal(&error))?;
        let cache = self.clone();
        tokio::task::spawn_blocking(move || cache.build(revision, &bytes)).await.map_err(|error| internal(&error))?
    }

    fn build(&self, revision: RevisionId, bytes: &[u8]) -> Result<Component, CompileError> {
        let component = Component::from_binary(self.engine.inner(), bytes).map_err(|error| CompileError::Invalid(format!("{error:#}")))?;
        if let Some(folder) = &self.folder
            && let Err(error) = keep(folder, revision, &component)
        {
            tracing::warn!(%revision, %error, "compiled code could not be kept");
        }
        Ok(component)
    }

    fn read(&self, revision: RevisionId) -> Option<Component> {
        let folder = self.folder.as_ref()?;
        let (code, sum) = files(folder, revision);
        let expected = std::fs::read_to_string(sum).ok()?;
        let found = RevisionId(Sha256::digest(std::fs::read(&code).ok()?).into());
        if expected != found.to_string() {
            tracing::warn!(%revision, "compiled code in the cache is damaged and is made again");
            return None;
        }
        deserialize(self.engine.inner(), &code)
            .inspect_err(|error| tracing::warn!(%revision, %error, "compiled code in the cache is not usable and is made again"))
            .ok()
    }
}

#[allow(unsafe_code, reason = "the only exception: code that this host compiled, in a folder that only it can write, with its checksum")]
fn deserialize(engine: &wasmtime::Engine, code: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file was written by `keep`, below a folder that `make_private` made sure nobody else can write, and its checksum holds.
    unsafe { Component::deserialize_file(engine, code) }
}

fn files(folder: &Path, revision: RevisionId) -> (PathBuf, PathBuf) {
    (folder.join(format!("{revision}.cwasm")), folder.join(format!("{revision}.sha256")))
}

fn keep(folder: &Path, revision: RevisionId, component: &Component) -> std::io::Result<()> {
    let code = component.serialize().map_err(|error| std::io::Error::other(error.to_string()))?;
    let sum = RevisionId(Sha256::digest(&code).into()).to_string();
    let (code_file, sum_file) = files(folder, revision);
    write_whole(&code_file, &code)?;
    write_whole(&sum_file, sum.as_bytes())
}

/// A reader finds either the old file or the new one.
fn write_whole(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let temporary = file.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&temporary, bytes)?;
    std::fs::rename(&temporary, file)
}

#[cfg(unix)]
fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let metadata = std::fs::symlink_metadata(folder)?;
    // A file that we just made tells who we are, without a system call that needs `unsafe`.
    let probe = folder.join(format!(".{}.tmp", std::process::id()));
    std::fs::write(&probe, b"")?;
    let us = std::fs::symlink_metadata(&probe)?.uid();
    std::fs::remove_file(&probe)?;
    if !metadata.is_dir() || metadata.uid() != us || metadata.mode() & 0o077 != 0 {
        return Err(std::io::Error::other("others can write there; it has to be a folder of our own with mode 0700"));
    }
    Ok(())
}
