//! Describes tables, from SQLite's own tables about them, and for the rest from the text of their definitions.

use super::definition::{self, Declared};
use super::failure::Failure;
use crate::caps::sql::declared::canonical;
use crate::caps::sql::model::{
    ColumnInfo, ConstraintInfo, ConstraintKind, IndexInfo, Relationship, SqlError, SqlLimits, TableInfo, TableKind,
};
use rusqlite::Connection;

/// Describes one table, or all of them in the order of their names.
pub(super) fn describe(connection: &Connection, table: Option<&str>, limits: &SqlLimits) -> Result<Vec<TableInfo>, Failure> {
    let mut statement = connection.prepare(
        "SELECT l.name, l.type, coalesce(s.sql, '') FROM pragma_table_list l
         LEFT JOIN sqlite_schema s ON s.name = l.name AND s.type IN ('table', 'view')
         WHERE l.schema = 'main' AND l.type IN ('table', 'view', 'virtual') AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
         AND l.name <> 'cofferdam_migrations' COLLATE NOCASE
         AND (?1 IS NULL OR l.name = ?1 COLLATE NOCASE) ORDER BY l.name",
    )?;
    let found = statement.query_map([table], |row| Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?)))?;
    let found = found.collect::<rusqlite::Result<Vec<(String, String, String)>>>()?;
    if let (Some(_), true) = (table, found.is_empty()) {
        return Err(SqlError::Invalid("there is no such table".to_owned()).into());
    }
    let mut tables = Vec::new();
    let mut bytes = 0;
    for (name, kind, sql) in found {
        let info = match kind.as_str() {
            "view" => view(connection, name),
            _ => Tables { connection, sql: &sql }.table(name)?,
        };
        bytes += info.size_bytes();
        if bytes > limits.result_bytes_max {
            let text = format!("the description has more than {} bytes; ask for one table", limits.result_bytes_max);
            return Err(SqlError::TooLarge(text).into());
        }
        tables.push(info);
    }
    Ok(tables)
}

/// A view whose tables are gone has no columns; that is no reason to hide the rest of the schema.
fn view(connection: &Connection, name: String) -> TableInfo {
    let columns = columns(connection, &name).unwrap_or_else(|error| {
        tracing::debug!(view = name, %error, "a view cannot be described");
        Vec::new()
    });
    TableInfo { name, kind: TableKind::View, columns, indexes: Vec::new(), constraints: Vec::new(), relationships: Vec::new() }
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<ColumnInfo>> {
    let mut statement = connection.prepare_cached(
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid",
    )?;
    let columns = statement.query_map([table], |row| {
        Ok(ColumnInfo {
            name: row.get(0)?,
            declared_type: canonical(&row.get::<_, String>(1)?),
            nullable: !row.get::<_, bool>(2)?,
            default_value: row.get(3)?,
            primary_key: row.get(4)?,
            // 2 and 3: virtual and stored.
            generated: row.get::<_, i64>(5)? >= 2,
        })
    })?;
    columns.collect()
}

/// An index, also one that SQLite made for a constraint.
struct Index {
    name: String,
    unique: bool,
    /// `c`: by `CREATE INDEX`, `u`: for a unique constraint, `pk`: for a primary key.
    origin: String,
    partial: bool,
    columns: Vec<String>,
}

struct Tables<'c> {
    connection: &'c Connection,
    sql: &'c str,
}

impl Tables<'_> {
    fn table(&self, name: String) -> rusqlite::Result<TableInfo> {
        let mut columns = columns(self.connection, &name)?;
        let indexes = self.indexes(&name)?;
        let declared = definition::constraints(self.sql);
        let relationships = self.relationships(&name)?;
        let key = primary_key(&columns);
        if key.len() == 1 && !indexes.iter().any(|index| index.origin == "pk") {
            // The row id under another name, which is never null, whatever the definition says.
            columns.iter_mut().filter(|column| column.primary_key > 0).for_each(|column| column.nullable = false);
        }
        let constraints = constraints(key, &columns, &indexes, &relationships, declared);
        let created = indexes.into_iter().filter(|index| index.origin == "c");
        let mut indexes: Vec<_> = created
            .map(|index| IndexInfo { name: index.name, columns: index.columns, unique: index.unique, partial: index.partial })
            .collect();
        indexes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(TableInfo { name, kind: TableKind::Table, columns, indexes, constraints, relationships })
    }

    /// The indexes in the order of their making; SQLite lists the latest first.
    fn indexes(&self, table: &str) -> rusqlite::Result<Vec<Index>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT l.name, l.\"unique\", l.origin, l.partial, coalesce(s.sql, '') FROM pragma_index_list(?1) l
             LEFT JOIN sqlite_schema s ON s.type = 'index' AND s.name = l.name ORDER BY l.seq DESC",
        )?;
        let mut columns = self.connection.prepare_cached("SELECT cid, name FROM pragma_index_xinfo(?1) WHERE key = 1 ORDER BY seqno")?;
        let mut rows = statement.query([table])?;
        let mut indexes = Vec::new();
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            let terms = definition::index_terms(&row.get::<_, String>(4)?);
            let found = columns.query_map([&name], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let found = found.collect::<rusqlite::Result<Vec<(i64, Option<String>)>>>()?;
            let columns = found.into_iter().enumerate().map(|(place, (column, name))| match (column, name) {
                (_, Some(name)) => name,
                (-1, None) => "rowid".to_owned(),
                _ => terms.get(place).cloned().unwrap_or_default(),
            });
            let columns = columns.collect();
            indexes.push(Index { name, unique: row.get(1)?, origin: row.get(2)?, partial: row.get(3)?, columns });
        }
        Ok(indexes)
    }

    /// The foreign keys in the order of their declaration; SQLite lists the last first.
    fn relationships(&self, table: &str) -> rusqlite::Result<Vec<Relationship>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, \"table\", \"from\", \"to\", on_delete, on_update FROM pragma_foreign_key_list(?1) ORDER BY id DESC, seq",
        )?;
        let mut rows = statement.query([table])?;
        let mut found: Vec<(i64, Relationship)> = Vec::new();
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            if found.last().is_none_or(|(last, _)| *last != id) {
                let relationship = Relationship {
                    columns: Vec::new(),
                    references_table: row.get(1)?,
                    references_columns: Vec::new(),
                    on_delete: row.get(4)?,
                    on_update: row.get(5)?,
                };
                found.push((id, relationship));
            }
            if let Some((_, relationship)) = found.last_mut() {
                relationship.columns.push(row.get(2)?);
                relationship.references_columns.extend(row.get::<_, Option<String>>(3)?);
            }
        }
        for (_, relationship) in found.iter_mut().filter(|(_, relationship)| relationship.references_columns.is_empty()) {
            // Without names the reference goes to the primary key.
            relationship.references_columns = primary_key(&columns(self.connection, &relationship.references_table)?);
        }
        Ok(found.into_iter().map(|(_, relationship)| relationship).collect())
    }
}

fn primary_key(columns: &[ColumnInfo]) -> Vec<String> {
    let mut key: Vec<_> = columns.iter().filter(|column| column.primary_key > 0).collect();
    key.sort_by_key(|column| column.primary_key);
    key.into_iter().map(|column| column.name.clone()).collect()
}

/// Puts together what SQLite knows and what the text says: which constraints there are is SQLite's word, their names are the text's.
fn constraints(
    key: Vec<String>,
    columns: &[ColumnInfo],
    indexes: &[Index],
    relationships: &[Relationship],
    mut declared: Vec<Declared>,
) -> Vec<ConstraintInfo> {
    let mut named = |kind: ConstraintKind, columns: Vec<String>| {
        let place = declared.iter().position(|other| other.kind == kind && same_names(&other.columns, &columns));
        let name = place.and_then(|place| declared.remove(place).name);
        ConstraintInfo { name, kind, columns, definition: None }
    };
    let mut found = Vec::new();
    if !key.is_empty() {
        found.push(named(ConstraintKind::PrimaryKey, key));
    }
    let unique = indexes.iter().filter(|index| index.origin == "u");
    found.extend(unique.map(|index| named(ConstraintKind::Unique, index.columns.clone())));
    let references: Vec<_> = relationships.iter().map(|r| named(ConstraintKind::ForeignKey, r.columns.clone())).collect();
    for Declared { name, check, .. } in declared {
        let Some(check) = check else { continue };
        let mentioned = definition::names(&check);
        let about = columns.iter().filter(|column| mentioned.iter().any(|name| name.eq_ignore_ascii_case(&column.name)));
        let columns = about.map(|column| column.name.clone()).collect();
        found.push(ConstraintInfo { name, kind: ConstraintKind::Check, columns, definition: Some(check) });
    }
    found.extend(references);
    found
}

fn same_names(some: &[String], others: &[String]) -> bool {
    some.len() == others.len() && some.iter().zip(others).all(|(a, b)| a.eq_ignore_ascii_case(b))
}
