//! Describes tables, in the same shape and as far as possible in the same words as SQLite's are described: names of constraints that
//! PostgreSQL made up are left out, types have one name each, and expressions are as people write them, see `expression`. A primary key
//! that the database numbers itself has no default, as the row id of SQLite.
//!
//! Only what the login may read is described.

use super::expression::plain;
use super::run::Trouble;
use crate::caps::sql::declared::canonical;
use crate::caps::sql::model::{
    ColumnInfo, ConstraintInfo, ConstraintKind, IndexInfo, Relationship, SqlError, SqlLimits, TableInfo, TableKind,
};
use std::collections::BTreeMap;
use tokio_postgres::{Row, Transaction};

type Oid = u32;

const TABLES: &str = "
    WITH t AS (
      SELECT c.oid, c.relkind IN ('v', 'm') AS view,
        CASE WHEN pg_catalog.pg_table_is_visible(c.oid) THEN c.relname::text ELSE n.nspname || '.' || c.relname END AS name
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND NOT c.relispartition
      AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
      AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
      AND (pg_catalog.has_table_privilege(c.oid, 'SELECT') OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT')))
    SELECT oid, name, view FROM t WHERE $1::text IS NULL OR lower(name) = lower($1) ORDER BY name COLLATE \"C\"";

const COLUMNS: &str = "
    SELECT a.attrelid, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
      CASE WHEN a.attgenerated = '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) END, a.attidentity <> '', a.attgenerated <> '',
      coalesce(pg_catalog.array_position(k.conkey, a.attnum), 0)::int4, coalesce(pg_catalog.cardinality(k.conkey), 0)::int4
    FROM pg_catalog.pg_attribute a
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = a.attrelid AND k.contype = 'p'
    WHERE a.attrelid = ANY($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum";

const INDEXES: &str = "
    SELECT i.indrelid, c.relname::text, i.indisunique, i.indpred IS NOT NULL,
      (SELECT array_agg(coalesce(a.attname::text, pg_catalog.pg_get_indexdef(i.indexrelid, s.place, true)) ORDER BY s.place)
       FROM generate_series(1, i.indnkeyatts::int4) AS s(place)
       LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[s.place - 1] AND a.attnum > 0)
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = ANY($1::oid[])
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
    ORDER BY i.indrelid, c.relname COLLATE \"C\"";

const CONSTRAINTS: &str = "
    SELECT k.conrelid, k.conname::text, k.contype::text,
      coalesce((SELECT array_agg(a.attname::text ORDER BY n.place) FROM unnest(k.conkey) WITH ORDINALITY AS n(num, place)
       JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = n.num), '{}'),
      pg_catalog.pg_get_expr(k.conbin, k.conrelid, true),
      CASE WHEN pg_catalog.pg_table_is_visible(f.oid) THEN f.relname::text ELSE n.nspname || '.' || f.relname END,
      coalesce((SELECT array_agg(a.attname::text ORDER BY n.place) FROM unnest(k.confkey) WITH ORDINALITY AS n(num, place)
       JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = n.num), '{}'),
      k.confdeltype::text, k.confupdtype::text, c.relname::text
    FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
    LEFT JOIN pg_catalog.pg_class f ON f.oid = k.confrelid LEFT JOIN pg_catalog.pg_namespace n ON n.oid = f.relnamespace
    WHERE k.conrelid = ANY($1::oid[]) AND k.contype IN ('p', 'u', 'c', 'f')
    ORDER BY k.conrelid, pg_catalog.strpos('pucf', k.contype::text), k.oid";

/// Describes one table, or all of them in the order of their names.
pub(super) async fn describe(transaction: &Transaction<'_>, table: Option<&str>, limits: &SqlLimits) -> Result<Vec<TableInfo>, Trouble> {
    let no_such_table = || SqlError::Invalid("there is no such table".to_owned());
    if table.is_some_and(|table| table.contains('\0')) {
        return Err(no_such_table().into());
    }
    let found = transaction.query(TABLES, &[&table]).await?;
    if table.is_some() && found.is_empty() {
        return Err(no_such_table().into());
    }
    let oids = found.iter().map(|row| row.try_get(0)).collect::<Result<Vec<Oid>, _>>()?;
    let mut columns = by_table(transaction.query(COLUMNS, &[&oids]).await?)?;
    let mut indexes = by_table(transaction.query(INDEXES, &[&oids]).await?)?;
    let mut constraints = by_table(transaction.query(CONSTRAINTS, &[&oids]).await?)?;
    let mut tables = Vec::new();
    let mut bytes = 0;
    for row in found {
        let oid: Oid = row.try_get(0)?;
        let of = |rows: &mut BTreeMap<Oid, Vec<Row>>| rows.remove(&oid).unwrap_or_default();
        let kind = if row.try_get(2)? { TableKind::View } else { TableKind::Table };
        let columns = of(&mut columns).iter().map(column).collect::<Result<_, _>>()?;
        let indexes = of(&mut indexes).iter().map(index).collect::<Result<_, _>>()?;
        let rules = of(&mut constraints);
        let constraints = rules.iter().map(constraint).collect::<Result<_, _>>()?;
        let references = rules.iter().filter(|row| row.try_get(2).is_ok_and(|kind: &str| kind == "f"));
        let relationships = references.map(relationship).collect::<Result<_, _>>()?;
        let info = TableInfo { name: row.try_get(1)?, kind, columns, indexes, constraints, relationships };
        bytes += info.size_bytes();
        if bytes > limits.result_bytes_max {
            let text = format!("the description has more than {} bytes; ask for one table", limits.result_bytes_max);
            return Err(SqlError::TooLarge(text).into());
        }
        tables.push(info);
    }
    Ok(tables)
}

/// Rows by the table in their first column.
fn by_table(rows: Vec<Row>) -> Result<BTreeMap<Oid, Vec<Row>>, tokio_postgres::Error> {
    let mut tables: BTreeMap<Oid, Vec<Row>> = BTreeMap::new();
    for row in rows {
        tables.entry(row.try_get(0)?).or_default().push(row);
    }
    Ok(tables)
}

fn column(row: &Row) -> Result<ColumnInfo, tokio_postgres::Error> {
    let default: Option<&str> = row.try_get(4)?;
    let (identity, place, key_columns): (bool, i32, i32) = (row.try_get(5)?, row.try_get(7)?, row.try_get(8)?);
    let numbered = identity || default.is_some_and(|default| default.starts_with("nextval("));
    let default_value = match default {
        _ if numbered && place > 0 && key_columns == 1 => None,
        None if identity => Some("GENERATED AS IDENTITY".to_owned()),
        default => default.map(plain),
    };
    Ok(ColumnInfo {
        name: row.try_get(1)?,
        declared_type: canonical(row.try_get(2)?),
        nullable: !row.try_get::<_, bool>(3)?,
        default_value,
        primary_key: u32::try_from(place).unwrap_or(0),
        generated: row.try_get(6)?,
    })
}

fn index(row: &Row) -> Result<IndexInfo, tokio_postgres::Error> {
    let terms: Vec<&str> = row.try_get(4)?;
    // A name needs no care: it has no casts. An expression was written out by PostgreSQL.
    let columns = terms.into_iter().map(|term| if term.contains(['(', ':']) { plain(term) } else { term.to_owned() });
    Ok(IndexInfo { name: row.try_get(1)?, columns: columns.collect(), unique: row.try_get(2)?, partial: row.try_get(3)? })
}

fn constraint(row: &Row) -> Result<ConstraintInfo, tokio_postgres::Error> {
    let kind = match row.try_get(2)? {
        "p" => ConstraintKind::PrimaryKey,
        "u" => ConstraintKind::Unique,
        "c" => ConstraintKind::Check,
        _ => ConstraintKind::ForeignKey,
    };
    let columns: Vec<String> = row.try_get(3)?;
    let (name, table): (&str, &str) = (row.try_get(1)?, row.try_get(9)?);
    let name = (!is_made_up(name, table, kind, &columns)).then(|| name.to_owned());
    let check: Option<&str> = row.try_get(4)?;
    Ok(ConstraintInfo { name, kind, columns, definition: check.map(plain) })
}

/// Whether PostgreSQL gave the constraint its name, because nobody else did.
fn is_made_up(name: &str, table: &str, kind: ConstraintKind, columns: &[String]) -> bool {
    let joined = columns.join("_");
    let begins = match kind {
        ConstraintKind::PrimaryKey => [format!("{table}_pkey"), format!("{table}_pkey")],
        ConstraintKind::Unique => [format!("{table}_{joined}_key"), format!("{table}_key")],
        ConstraintKind::Check => [format!("{table}_{joined}_check"), format!("{table}_check")],
        ConstraintKind::ForeignKey => [format!("{table}_{joined}_fkey"), format!("{table}_fkey")],
    };
    begins.iter().any(|begin| name.strip_prefix(begin.as_str()).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit())))
}

fn relationship(row: &Row) -> Result<Relationship, tokio_postgres::Error> {
    let references_table: Option<String> = row.try_get(5)?;
    Ok(Relationship {
        columns: row.try_get(3)?,
        references_table: references_table.unwrap_or_default(),
        references_columns: row.try_get(6)?,
        on_delete: action(row.try_get(7)?).to_owned(),
        on_update: action(row.try_get(8)?).to_owned(),
    })
}

fn action(letter: &str) -> &'static str {
    match letter {
        "r" => "RESTRICT",
        "c" => "CASCADE",
        "n" => "SET NULL",
        "d" => "SET DEFAULT",
        _ => "NO ACTION",
    }
}
