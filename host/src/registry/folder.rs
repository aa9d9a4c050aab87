//! What lies in the plugins folder: `<name>/plugin.toml` with its component, and bare `<name>.wasm`.

use crate::ids::PluginName;
use crate::limits::Limits;
use crate::manifest::Manifest;
use std::fs;
use std::path::{Path, PathBuf};

/// A manifest's name in its plugin's folder.
const MANIFEST: &str = "plugin.toml";

/// A manifest and the component's bytes.
pub(super) struct Package {
    pub(super) manifest: Manifest,
    pub(super) component: Vec<u8>,
    /// The WIT files beside it: names and texts.
    pub(super) wit: Vec<(String, String)>,
}

/// One entry of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The name that the file system gives it.
    pub(super) name: String,
    pub(super) path: PathBuf,
    bare: bool,
}

/// The entries, sorted by name. A folder without `plugin.toml` is none of ours; so are hidden ones.
pub(super) fn entries(folder: &Path) -> std::io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for path in visible(folder)? {
        if let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) {
            entries.extend(entry_named(&path, &name));
        }
    }
    entries.sort_by(|a, b| (&a.name, a.bare).cmp(&(&b.name, b.bare)));
    Ok(entries)
}

/// The one entry at this path: a plugin's folder, its `plugin.toml`, or a bare component.
pub(super) fn entry(path: &Path) -> Option<Entry> {
    let path = if path.file_name().is_some_and(|name| name == MANIFEST) { path.parent()? } else { path };
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    // The folder that somebody stands in has a name, too.
    let name = path.file_name().map(ToOwned::to_owned).or_else(|| fs::canonicalize(path).ok()?.file_name().map(ToOwned::to_owned))?;
    entry_named(path, &name.to_string_lossy())
}

fn entry_named(path: &Path, file_name: &str) -> Option<Entry> {
    // Whatever it is: what is no readable manifest is refused, not overlooked.
    let has_manifest = fs::symlink_metadata(path.join(MANIFEST)).is_ok();
    let bare = || file_name.strip_suffix(".wasm").map(str::to_owned);
    let name = if has_manifest { Some(file_name.to_owned()) } else { bare() };
    name.map(|name| Entry { name, path: path.to_owned(), bare: !has_manifest })
}

fn visible(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>()?;
    let hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    Ok(paths.into_iter().filter(|path| !hidden(path)).collect())
}

/// What archives end in.
const ARCHIVES: [&str; 8] = [".zip", ".tar", ".tgz", ".tar.gz", ".gz", ".xz", ".zst", ".7z"];

/// What lies in the folder and looks as if it were meant to be a plugin, with what is wrong with it, sorted.
pub(super) fn strangers(folder: &Path) -> std::io::Result<Vec<(String, &'static str)>> {
    let mut strangers = Vec::new();
    for path in visible(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let lower = name.to_lowercase();
        let is_wasm = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "wasm");
        let what = if entry_named(&path, &name).is_some() {
            continue;
        } else if ARCHIVES.iter().any(|ending| lower.ends_with(ending)) {
            "archives are not loaded: unpack it into a folder of the plugin's name"
        } else if lower.ends_with(".cwasm") {
            "compiled code is not loaded: put the component itself there, <name>.wasm"
        } else if lower.ends_with(".wasm") {
            "not loaded: a component's name ends in .wasm, in lower case"
        } else if path.is_dir() && visible(&path).unwrap_or_default().iter().any(is_wasm) {
            "not loaded: the folder has a component, but no plugin.toml"
        } else {
            continue;
        };
        strangers.push((name, what));
    }
    strangers.sort_unstable();
    Ok(strangers)
}

/// Reads an entry, with every check that needs no engine. Blocks.
pub(super) fn read(entry: &Entry, limits: &Limits) -> Result<Package, String> {
    if let Some(folder) = entry.path.parent() {
        check_inside(folder, &entry.path, "the plugin is a link that leads out of the plugins folder; copy it there")?;
    }
    let manifest = if entry.bare {
        Manifest::bare(PluginName::parse(&entry.name).map_err(|error| error.to_string())?)
    } else {
        read_manifest(entry, limits)?
    };
    let file = if entry.bare { entry.path.clone() } else { entry.path.join(&manifest.component) };
    let component = read_component(&file, limits).map_err(|error| {
        let how = if manifest.build.is_some() { "; build it first: the manifest's [build] says how" } else { "" };
        format!("{}: {error}{}", file.display(), if error.starts_with("No such file") { how } else { "" })
    })?;
    let wit = if entry.bare { Vec::new() } else { wit_beside(&entry.path, limits) };
    Ok(Package { manifest, component, wit })
}

fn read_manifest(entry: &Entry, limits: &Limits) -> Result<Manifest, String> {
    let (shown, text) = manifest_text(entry, limits)?.unwrap_or_default();
    let manifest = Manifest::parse(&text, &shown).map_err(|error| error.to_string())?;
    if manifest.name.as_str() != entry.name {
        return Err(format!(
            "{shown}: the manifest's name is {:?}, its folder is {:?}; make them the same",
            manifest.name.as_str(),
            entry.name
        ));
    }
    check_inside(&entry.path, &entry.path.join(&manifest.component), "the component is a link that leads out of the plugin's folder")?;
    Ok(manifest)
}

/// A manifest as messages call it, and its text; none for a bare component.
pub(super) fn manifest_text(entry: &Entry, limits: &Limits) -> Result<Option<(String, String)>, String> {
    if entry.bare {
        return Ok(None);
    }
    let file = entry.path.join(MANIFEST);
    let shown = file.display().to_string();
    check_inside(&entry.path, &file, "the manifest is a link that leads out of the plugin's folder")?;
    let bytes = read_bounded(&file, limits.manifest_bytes_max, "manifest_bytes_max").map_err(|error| format!("{shown}: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{shown}: the file is not UTF-8 text"))?;
    Ok(Some((shown, text)))
}

/// The WIT in a folder, if it is there and not somewhere else.
pub(super) fn wit_beside(folder: &Path, limits: &Limits) -> Vec<(String, String)> {
    let wit = folder.join("wit");
    if check_inside(folder, &wit, "").is_err() { Vec::new() } else { read_wit(&wit, limits.manifest_bytes_max) }
}

/// The files of a package's WIT, as every toolchain has it in a folder `wit`. They only document: what is too large, or not text, or not
/// there is not used. Packages that it depends on are not looked at.
fn read_wit(folder: &Path, bytes_max: usize) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut bytes_left = bytes_max;
    let mut paths: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "wit")) {
        // Not through links, which could lead anywhere.
        let regular = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
        let bytes = if regular { read_bounded(&path, bytes_left, "manifest_bytes_max") } else { continue };
        let Some(text) = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()) else { continue };
        bytes_left -= text.len();
        files.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), text));
    }
    files
}

/// A link must not lead out of the folder that it is in.
fn check_inside(folder: &Path, file: &Path, problem: &str) -> Result<(), String> {
    let (Ok(folder), Ok(real)) = (fs::canonicalize(folder), fs::canonicalize(file)) else { return Ok(()) };
    if real.starts_with(&folder) { Ok(()) } else { Err(format!("{}: {problem}", file.display())) }
}

/// Reads a component. The error says why not.
pub(super) fn read_component(file: &Path, limits: &Limits) -> Result<Vec<u8>, String> {
    read_bounded(file, limits.component_bytes_max, "component_bytes_max")
}

fn read_bounded(file: &Path, bytes_max: usize, limit: &str) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    // Before it is opened: opening a pipe waits for somebody who writes to it.
    let metadata = fs::metadata(file).map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("not a regular file".to_owned());
    }
    let too_large = || format!("the file has {} bytes; the limit is {bytes_max} ({limit})", metadata.len());
    if metadata.len() > bytes_max as u64 {
        return Err(too_large());
    }
    let opened = fs::File::open(file).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let most = bytes_max as u64;
    opened.take(most + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > bytes_max {
        return Err(too_large());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_sorted_and_strangers_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        for name in ["b", "a", "empty", ".hidden"] {
            fs::create_dir(path.join(name)).unwrap();
        }
        for file in ["b/plugin.toml", "a/plugin.toml", ".hidden/plugin.toml", "a.wasm", "readme.md", ".x.wasm"] {
            fs::write(path.join(file), "").unwrap();
        }
        let names: Vec<_> = entries(path).unwrap().into_iter().map(|entry| (entry.name, entry.bare)).collect();
        let expected = [("a", false), ("a", true), ("b", false)];
        assert_eq!(names, expected.map(|(name, bare)| (name.to_owned(), bare)));
    }

    #[cfg(unix)]
    #[test]
    fn wit_is_read_without_links_and_as_far_as_it_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let wit = folder.path().join("wit");
        assert_eq!(read_wit(&wit, 10), []);
        fs::create_dir_all(wit.join("deps.wit")).unwrap();
        for (file, text) in [("c.wit", &b"1234"[..]), ("a.wit", b"12345678"), ("b.wit", b"123"), ("d.wit", b"\xff"), ("a.txt", b"1")] {
            fs::write(wit.join(file), text).unwrap();
        }
        fs::write(folder.path().join("outside"), "1").unwrap();
        std::os::unix::fs::symlink(folder.path().join("outside"), wit.join("e.wit")).unwrap();
        let names = |bytes_max| read_wit(&wit, bytes_max).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(100), ["a.wit", "b.wit", "c.wit"]);
        assert_eq!(names(11), ["a.wit", "b.wit"]);
        assert_eq!(names(7), ["b.wit", "c.wit"]);
    }

    #[cfg(unix)]
    #[test]
    fn symlink_out_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let plugin = folder.path().join("a");
        fs::create_dir(&plugin).unwrap();
        fs::write(folder.path().join("outside.wasm"), "x").unwrap();
        fs::write(plugin.join("plugin.toml"), "name = \"a\"\n").unwrap();
        std::os::unix::fs::symlink(folder.path().join("outside.wasm"), plugin.join("a.wasm")).unwrap();
        let entry = entries(folder.path()).unwrap().remove(0);
        let error = read(&entry, &Limits::default()).err().unwrap();
        assert!(error.contains("leads out of"), "{error}");
    }
}
