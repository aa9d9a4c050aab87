//! Keys, values and folders: what a manifest gets of what it asks for.

use std::collections::BTreeMap;

use super::{GrantError, Offered, lower};
use crate::limits::Limits;
use crate::manifest::{Access, DocumentError, Manifest, WantedFolder, WantedKeyValue, closest, listed, quoted};

/// A key-value store of a plugin's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValueGrant {
    /// What it may do there.
    pub access: Access,
    /// Keys and values together.
    pub bytes_max: usize,
    /// Keys.
    pub entries_max: u32,
}

/// A folder of the operator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderGrant {
    /// What the plugin may do there.
    pub access: Access,
    /// The files in it together, when it writes.
    pub bytes_max: u64,
    /// Files and folders in it, when it writes.
    pub entries_max: u32,
}

/// What the operator says of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfferedFolder {
    /// Whether plugins may write there.
    pub write: bool,
}

impl KeyValueGrant {
    pub(super) fn within(wanted: &WantedKeyValue, limits: &Limits) -> Self {
        Self {
            access: wanted.access,
            bytes_max: lower(wanted.bytes_max, limits.keyvalue_bytes_max),
            entries_max: lower(wanted.entries_max, limits.keyvalue_entries_max),
        }
    }
}

impl FolderGrant {
    fn within(wanted: &WantedFolder, limits: &Limits) -> Self {
        Self {
            access: wanted.access,
            bytes_max: lower(wanted.bytes_max.map(|bytes| bytes as u64), limits.files_bytes_max),
            entries_max: lower(wanted.entries_max, limits.files_entries_max),
        }
    }
}

pub(super) fn folders(manifest: &Manifest, offered: &Offered) -> Result<BTreeMap<String, FolderGrant>, GrantError> {
    let mut folders = BTreeMap::new();
    for (name, wanted) in &manifest.grants.files {
        match offered.folders.get(name) {
            None => return Err(unknown(manifest, name, wanted, offered)),
            Some(folder) if wanted.access == Access::Write && !folder.write => return Err(read_only(manifest, name, wanted)),
            Some(_) => folders.insert(name.clone(), FolderGrant::within(wanted, &offered.limits)),
        };
    }
    Ok(folders)
}

fn read_only(manifest: &Manifest, name: &str, wanted: &WantedFolder) -> GrantError {
    let message = format!("[grants.files.{name}] asks to write, and the operator offers the folder to read only");
    let help = format!("write access = \"read\", or the operator writes write = true in [folders.{name}] of cofferdam.toml");
    DocumentError::at(&manifest.file, wanted.place, message).about(format!("grants.files.{name}")).with_help(help)
}

fn unknown(manifest: &Manifest, name: &str, wanted: &WantedFolder, offered: &Offered) -> GrantError {
    let names: Vec<_> = offered.folders.keys().map(|name| quoted(name)).collect();
    let known = match names.as_slice() {
        [] => "cofferdam.toml names none".to_owned(),
        [one] => format!("cofferdam.toml names only {one}"),
        names => format!("cofferdam.toml names {}", listed(names, "and")),
    };
    let near = closest(name, offered.folders.keys().map(String::as_str));
    let near = near.map(|near| format!("did you mean [grants.files.{near}]? If not, ")).unwrap_or_default();
    let write = if wanted.access == Access::Write { " and write = true" } else { "" };
    let message = format!("[grants.files.{name}] asks for a folder that the operator does not offer: {known}");
    let help = format!("{near}the operator adds it to cofferdam.toml: [folders.{name}] with path = \"data/{name}\"{write}");
    DocumentError::at(&manifest.file, wanted.place, message).about(format!("grants.files.{name}")).with_help(help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::Grants;

    fn resolve(text: &str, folders: &[(&str, bool)]) -> Result<Grants, String> {
        let manifest = Manifest::parse(&format!("name = \"notes\"\n{text}"), "plugins/notes/plugin.toml").unwrap();
        let folders = folders.iter().map(|(name, write)| ((*name).to_owned(), OfferedFolder { write: *write })).collect();
        Grants::resolve(&manifest, &Offered { folders, ..Offered::default() }).map_err(|error| error.to_string())
    }

    #[test]
    fn of_every_quota_the_lower_holds() {
        let text = "[grants.keyvalue]\naccess = \"write\"\nbytes = \"1KiB\"\nentries = 4000000000\n\
                    [grants.files.docs]\naccess = \"write\"\nbytes = \"900GiB\"\nentries = 7\n[grants.files.more]\naccess = \"read\"";
        let grants = resolve(text, &[("docs", true), ("more", false)]).unwrap();
        let limits = Limits::default();
        let expected = KeyValueGrant { access: Access::Write, bytes_max: 1024, entries_max: limits.keyvalue_entries_max };
        assert_eq!(grants.keyvalue, Some(expected));
        let docs = FolderGrant { access: Access::Write, bytes_max: limits.files_bytes_max, entries_max: 7 };
        assert_eq!(grants.files["docs"], docs);
        assert_eq!(grants.summary(), ["keyvalue (write)", "files docs (write)", "files more (read)"]);
        assert_eq!(resolve("", &[("docs", true)]).unwrap(), Grants::default(), "what is not asked for is not granted");
    }

    #[test]
    fn a_folder_that_is_not_offered_is_refused_with_what_to_write() {
        let begin = "plugins/notes/plugin.toml:2:15: [grants.files.doc] asks";
        let add = "the operator adds it to cofferdam.toml: [folders.doc] with path = \"data/doc\"";
        let wants = "[grants.files.doc]\naccess = \"read\"";
        let none = format!("{begin} for a folder that the operator does not offer: cofferdam.toml names none; {add}");
        assert_eq!(resolve(wants, &[]).unwrap_err(), none);
        let near = resolve(wants, &[("docs", false)]).unwrap_err();
        assert!(near.contains("names only \"docs\"; did you mean [grants.files.docs]?"), "{near}");
        let write = resolve("[grants.files.doc]\naccess = \"write\"", &[("doc", false)]).unwrap_err();
        assert!(write.starts_with(&format!("{begin} to write, and the operator offers the folder to read only; write access")), "{write}");
    }
}
