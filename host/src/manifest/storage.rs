//! What a manifest asks for to keep things: keys and values of its own, and the operator's folders.

use std::collections::BTreeMap;

use super::values::{DATABASE_NAME, is_database_name, quoted};
use super::{ACCESS, Access, Field, ManifestError, Place, Table};

/// The key-value store that a manifest asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedKeyValue {
    /// What it wants to do there.
    pub access: Access,
    /// `bytes`: keys and values together.
    pub bytes_max: Option<usize>,
    /// `entries`: keys.
    pub entries_max: Option<u32>,
}

/// A folder that a manifest asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedFolder {
    /// What it wants to do there.
    pub access: Access,
    /// `bytes`: the files in it together, for one who writes.
    pub bytes_max: Option<usize>,
    /// `entries`: files and folders in it, for one who writes.
    pub entries_max: Option<u32>,
    /// Where it asks.
    pub place: Place,
}

pub(super) fn key_value(grants: &Table<'_>) -> Result<Option<WantedKeyValue>, ManifestError> {
    let Some(table) = grants.section("keyvalue")? else { return Ok(None) };
    let access = access(&table)?;
    let (bytes_max, entries_max) = quota(&table, access)?;
    Ok(Some(WantedKeyValue { access, bytes_max, entries_max }))
}

pub(super) fn folders(grants: &Table<'_>) -> Result<BTreeMap<String, WantedFolder>, ManifestError> {
    let mut folders = BTreeMap::new();
    let Some(table) = grants.section("files")? else { return Ok(folders) };
    for (field, folder) in table.named_sections()? {
        if !is_database_name(field.key()) {
            return Err(field.at_key(format!("{} is not a folder's name", quoted(field.key()))).with_help(DATABASE_NAME));
        }
        folders.insert(field.key().to_owned(), wanted_folder(&field, &folder)?);
    }
    Ok(folders)
}

fn wanted_folder(field: &Field<'_>, table: &Table<'_>) -> Result<WantedFolder, ManifestError> {
    let access = access(table)?;
    let (bytes_max, entries_max) = quota(table, access)?;
    Ok(WantedFolder { access, bytes_max, entries_max, place: field.place() })
}

fn access(table: &Table<'_>) -> Result<Access, ManifestError> {
    let access = table.require("access", "access = \"read\" or access = \"write\"")?;
    access.choice(ACCESS).map_err(|error| error.or_help("\"write\" includes \"read\""))
}

/// A quota for somebody who only reads would never hold anything back.
fn quota(table: &Table<'_>, access: Access) -> Result<(Option<usize>, Option<u32>), ManifestError> {
    if let Some(field) = table.get("bytes").or_else(|| table.get("entries")).filter(|_| access == Access::Read) {
        let help = "leave it out, or write access = \"write\"";
        return Err(field.at_key(format!("{} is a limit for writing, and access is \"read\"", quoted(field.key()))).with_help(help));
    }
    let bytes_max = table.get("bytes").map(|field| field.size(1..=usize::MAX)).transpose()?;
    Ok((bytes_max, table.get("entries").map(|field| field.count()).transpose()?))
}
