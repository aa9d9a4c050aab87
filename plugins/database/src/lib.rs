//! Lets a model explore, query and change the databases that the manifest grants.
#![cfg_attr(target_family = "wasm", no_std)]

#[cofferdam_plugin::plugin(
    no_std,
    title = "Database",
    instructions = "Look at `schema` before you write SQL. Read with `query`, change with `execute`; pass values as `parameters`, never inside the SQL text."
)]
mod database {
    use cofferdam_plugin::prelude::*;
    use cofferdam_plugin::sql::{Column, Cut, Database, Engine, Granted, QueryOptions, RowFormat, TableInfo};

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Schema {
        /// Which database; may be left out when there is only one
        database: Option<String>,
        /// Only this table or view
        table: Option<String>,
        /// Tell the indexes
        #[serde(default = "yes")]
        include_indexes: bool,
        /// Tell the constraints: primary keys, uniqueness, checks
        #[serde(default = "yes")]
        include_constraints: bool,
        /// Tell the foreign keys, for joins
        #[serde(default = "yes")]
        include_relations: bool,
    }

    fn yes() -> bool {
        true
    }

    #[derive(Serialize, JsonSchema)]
    struct Described {
        database: String,
        /// The SQL dialect
        engine: Engine,
        tables: Vec<TableInfo>,
    }

    /// Describes the tables and views of a database: columns with their types, indexes, constraints and foreign keys. Call it first,
    /// to learn the names that SQL needs.
    #[query(title = "Database schema", open_world = false)]
    fn schema(input: Schema) -> Result<Json<Described>> {
        let granted = choose(input.database)?;
        let mut tables = open(&granted).schema(input.table.as_deref())?;
        if let (Some(table), true) = (&input.table, tables.is_empty()) {
            return Err(Failure::not_found(format!("there is no table {table:?}; leave `table` out to see all of them")));
        }
        for table in &mut tables {
            // Empty lists are left out.
            if !input.include_indexes {
                table.indexes.clear();
            }
            if !input.include_constraints {
                table.constraints.clear();
            }
            if !input.include_relations {
                table.relationships.clear();
            }
        }
        Ok(Json(Described { database: granted.name, engine: granted.engine, tables }))
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Query {
        /// One statement that returns rows, in the dialect of the database
        sql: String,
        /// Values for the statement: an array for `?` (PostgreSQL: `$1`), or an object for `:name`
        #[schemars(extend("type" = ["array", "object", "null"]))]
        parameters: Option<RawJson>,
        /// No more than this many rows
        limit: Option<u32>,
        /// Which database; may be left out when there is only one
        database: Option<String>,
    }

    #[derive(Serialize, JsonSchema)]
    struct Rows {
        columns: Vec<Column>,
        /// One object per row, with the columns' names as keys
        #[schemars(with = "Vec<cofferdam_plugin::serde_json::Map<String, cofferdam_plugin::serde_json::Value>>")]
        rows: RawJson,
        /// How many rows there are
        count: u32,
        /// Why there are not all rows; null when there are
        truncated: Option<&'static str>,
        timestamp: String,
    }

    /// Runs one SQL statement that reads, and returns its rows. Long results are cut off, which `truncated` tells: select only the
    /// columns you need, filter and aggregate in SQL.
    #[query(title = "Query a database", open_world = false)]
    fn query(input: Query) -> Result<Json<Rows>> {
        let db = open(&choose(input.database)?);
        let options = QueryOptions { format: RowFormat::Objects, rows_max: input.limit };
        let result = db.query_raw(&input.sql, parameters(input.parameters.as_ref()), options)?;
        let (count, cut) = (result.row_count(), result.cut());
        let (columns, rows) = result.into_raw();
        let truncated = cut.map(|cut| match cut {
            Cut::Rows => "the limit of rows was reached",
            Cut::Bytes => "the result grew too large",
        });
        Ok(Json(Rows { columns, rows, count, truncated, timestamp: now_rfc3339() }))
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Execute {
        /// One statement that changes data or tables, in the dialect of the database
        sql: String,
        /// Values for the statement: an array for `?` (PostgreSQL: `$1`), or an object for `:name`
        #[schemars(extend("type" = ["array", "object", "null"]))]
        parameters: Option<RawJson>,
        /// Which database; may be left out when there is only one
        database: Option<String>,
    }

    #[derive(Serialize, JsonSchema)]
    struct Executed {
        /// How many rows were inserted, updated or deleted
        rows_affected: u32,
        /// The row id of the last insert, if there is one
        last_insert_id: Option<String>,
        timestamp: String,
    }

    /// Runs one SQL statement that changes something: INSERT, UPDATE, DELETE, or the definition of a table. It is a transaction of
    /// its own and cannot be undone.
    #[update(title = "Change a database", destructive = true, idempotent = false, open_world = false)]
    fn execute(input: Execute) -> Result<Json<Executed>> {
        let db = open(&choose(input.database)?);
        let changes = db.execute_raw(&input.sql, parameters(input.parameters.as_ref()))?;
        let (rows_affected, last_insert_id) = (changes.rows_affected, changes.last_insert_id);
        Ok(Json(Executed { rows_affected, last_insert_id, timestamp: now_rfc3339() }))
    }

    fn parameters(given: Option<&RawJson>) -> &str {
        given.map_or("[]", RawJson::get)
    }

    fn open(granted: &Granted) -> Database {
        sql::database(granted.name.as_str())
    }

    /// The database of this name; without a name the only one, or `main`.
    fn choose(name: Option<String>) -> Result<Granted> {
        let mut granted = sql::databases();
        let names = granted.iter().map(|database| database.name.as_str()).collect::<Vec<_>>().join(", ");
        let wanted = match (&name, granted.len()) {
            (Some(name), _) => name,
            (None, 1) => return Ok(granted.remove(0)),
            (None, _) => "main",
        };
        match granted.iter().position(|database| database.name == wanted) {
            Some(at) => Ok(granted.swap_remove(at)),
            None if granted.is_empty() => Err(Failure::denied("no database is granted to this plugin")),
            None => Err(Failure::not_found(format!("there is no database {wanted:?}; there are: {names}"))),
        }
    }
}
