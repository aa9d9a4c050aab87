//! A folder for what a command needs only while it runs.

use anyhow::Context as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// A folder that nobody else can enter, and that is gone in the end.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut random = [0; 8];
        getrandom::fill(&mut random)?;
        let folder = std::env::temp_dir().join(format!("cofferdam-{:016x}", u64::from_ne_bytes(random)));
        // Not recursive: a folder that is there already is somebody else's.
        let created = std::fs::DirBuilder::new().mode(0o700).create(&folder);
        created.with_context(|| format!("{}: a temporary folder could not be made", folder.display()))?;
        Ok(Self(folder))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
