//! From the engines' own types to those of the contract.

use super::model;
use crate::wit::cofferdam::mcp::sql as wit;

impl From<model::Access> for wit::Access {
    fn from(access: model::Access) -> Self {
        match access {
            model::Access::Read => Self::Read,
            model::Access::Write => Self::Write,
        }
    }
}

impl From<wit::QueryOptions> for model::QueryOptions {
    fn from(options: wit::QueryOptions) -> Self {
        let format = match options.format {
            wit::RowFormat::Arrays => model::RowFormat::Arrays,
            wit::RowFormat::Objects => model::RowFormat::Objects,
        };
        Self { format, rows_max: options.rows_max }
    }
}

impl From<model::ResultSet> for wit::ResultSet {
    fn from(set: model::ResultSet) -> Self {
        let column = |column: model::Column| wit::Column { name: column.name, declared_type: column.declared_type };
        let cut = set.cut.map(|cut| match cut {
            model::Cut::Rows => wit::Cut::Rows,
            model::Cut::Bytes => wit::Cut::Bytes,
        });
        Self { columns: set.columns.into_iter().map(column).collect(), rows: set.rows, row_count: set.row_count, cut }
    }
}

impl From<model::Changes> for wit::Changes {
    fn from(changes: model::Changes) -> Self {
        Self { rows_affected: changes.rows_affected, last_insert_id: changes.last_insert_id }
    }
}

impl From<model::TableInfo> for wit::TableInfo {
    fn from(table: model::TableInfo) -> Self {
        let kind = match table.kind {
            model::TableKind::Table => wit::TableKind::Table,
            model::TableKind::View => wit::TableKind::View,
        };
        Self {
            name: table.name,
            kind,
            columns: table.columns.into_iter().map(Into::into).collect(),
            indexes: table.indexes.into_iter().map(Into::into).collect(),
            constraints: table.constraints.into_iter().map(Into::into).collect(),
            relationships: table.relationships.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<model::ColumnInfo> for wit::ColumnInfo {
    fn from(column: model::ColumnInfo) -> Self {
        Self {
            name: column.name,
            declared_type: column.declared_type,
            nullable: column.nullable,
            default_value: column.default_value,
            primary_key: column.primary_key,
            generated: column.generated,
        }
    }
}

impl From<model::IndexInfo> for wit::IndexInfo {
    fn from(index: model::IndexInfo) -> Self {
        Self { name: index.name, columns: index.columns, unique: index.unique, partial: index.partial }
    }
}

impl From<model::ConstraintInfo> for wit::ConstraintInfo {
    fn from(constraint: model::ConstraintInfo) -> Self {
        let kind = match constraint.kind {
            model::ConstraintKind::PrimaryKey => wit::ConstraintKind::PrimaryKey,
            model::ConstraintKind::Unique => wit::ConstraintKind::Unique,
            model::ConstraintKind::Check => wit::ConstraintKind::Check,
            model::ConstraintKind::ForeignKey => wit::ConstraintKind::ForeignKey,
        };
        Self { name: constraint.name, kind, columns: constraint.columns, definition: constraint.definition }
    }
}

impl From<model::Relationship> for wit::Relationship {
    fn from(relationship: model::Relationship) -> Self {
        Self {
            columns: relationship.columns,
            references_table: relationship.references_table,
            references_columns: relationship.references_columns,
            on_delete: relationship.on_delete,
            on_update: relationship.on_update,
        }
    }
}

impl From<model::SqlError> for wit::Error {
    fn from(error: model::SqlError) -> Self {
        match error {
            model::SqlError::Denied(text) => Self::Denied(text),
            model::SqlError::Invalid(text) => Self::Invalid(text),
            model::SqlError::Constraint(text) => Self::Constraint(text),
            model::SqlError::Timeout(text) => Self::Timeout(text),
            model::SqlError::TooLarge(text) => Self::TooLarge(text),
            model::SqlError::Unavailable(text) => Self::Unavailable(text),
            model::SqlError::Other(text) => Self::Other(text),
        }
    }
}
