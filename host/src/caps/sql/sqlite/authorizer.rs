//! What a statement may do. SQLite asks for every table, function and action that it meets while it prepares a statement, those inside
//! views and triggers included, and again when it prepares one anew because the schema changed.
//!
//! Everything that is not allowed here is denied, so that a new feature of SQLite is not a new hole.

use super::migrate::TABLE as MIGRATIONS;
use super::screen::Class;
use crate::caps::sql::model::Access;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// Functions that only compute. Left out: what loads or registers code (`load_extension`, `fts3_tokenizer`, `fts5`), what writes to
/// the host's log (`sqlite_log`), what writes at all (`optimize`), and what tells of other calls (see `SESSION_FUNCTIONS`).
const FUNCTIONS: &[&str] = &[
    "->",
    "->>",
    "abs",
    "avg",
    "bm25",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "count",
    "cume_dist",
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "datetime",
    "dense_rank",
    "first_value",
    "format",
    "fts5_get_locale",
    "fts5_insttoken",
    "fts5_locale",
    "glob",
    "group_concat",
    "hex",
    "highlight",
    "if",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_insert",
    "json_array_length",
    "json_error_position",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_insert",
    "json_object",
    "json_patch",
    "json_pretty",
    "json_quote",
    "json_remove",
    "json_replace",
    "json_set",
    "json_type",
    "json_valid",
    "jsonb",
    "jsonb_array",
    "jsonb_array_insert",
    "jsonb_extract",
    "jsonb_group_array",
    "jsonb_group_object",
    "jsonb_insert",
    "jsonb_object",
    "jsonb_patch",
    "jsonb_remove",
    "jsonb_replace",
    "jsonb_set",
    "julianday",
    "lag",
    "last_value",
    "lead",
    "length",
    "like",
    "likelihood",
    "likely",
    "lower",
    "ltrim",
    "match",
    "matchinfo",
    "max",
    "min",
    "nth_value",
    "ntile",
    "nullif",
    "octet_length",
    "offsets",
    "percent_rank",
    "printf",
    "quote",
    "raise",
    "random",
    "randomblob",
    "rank",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "snippet",
    "soundex",
    "sqlite_version",
    "strftime",
    "string_agg",
    "substr",
    "substring",
    "subtype",
    "sum",
    "time",
    "timediff",
    "total",
    "trim",
    "typeof",
    "unhex",
    "unicode",
    "unistr",
    "unistr_quote",
    "unixepoch",
    "unlikely",
    "upper",
    "zeroblob",
    // Compiled in only with SQLITE_ENABLE_MATH_FUNCTIONS; harmless wherever they are.
    "acos",
    "asin",
    "atan",
    "ceil",
    "ceiling",
    "cos",
    "degrees",
    "exp",
    "floor",
    "ln",
    "log",
    "log10",
    "log2",
    "mod",
    "pi",
    "pow",
    "power",
    "radians",
];

/// They tell of earlier statements on the same connection. Triggers may use them: there they tell of the statement at hand.
const SESSION_FUNCTIONS: &[&str] = &["changes", "last_insert_rowid", "total_changes"];

/// SQLite's own helpers behind `ALTER TABLE`; statements cannot call them.
const DEFINITION_FUNCTIONS: &[&str] = &[
    "sqlite_add_constraint",
    "sqlite_drop_column",
    "sqlite_drop_constraint",
    "sqlite_fail",
    "sqlite_find_constraint",
    "sqlite_rename_column",
    "sqlite_rename_quotefix",
    "sqlite_rename_table",
    "sqlite_rename_test",
];

/// How long a function can take with two of the longest values, as a multiple of `LIKE` (its pattern is short, see `connection`).
fn effort(function: &str) -> u32 {
    match function {
        "like" | "glob" => 1,
        "instr" | "replace" => 16,
        "json_patch" | "jsonb_patch" => 160,
        _ => 0,
    }
}

/// More than this is refused.
const EFFORT_MAX: u32 = 1_024;

/// The same for the definition of a table or an index: SQLite does not ask again when the definition is used. Enough for a few checks
/// with `LIKE`.
const EFFORT_OF_DEFINITION_MAX: u32 = 15;

/// The rules of one connection, and what they had to say about the statement at hand.
#[derive(Debug)]
pub(super) struct Rules {
    access: Access,
    suspended: AtomicBool,
    definition: AtomicBool,
    effort: AtomicU32,
    effort_max: AtomicU32,
    refusal: Mutex<Option<String>>,
}

impl Rules {
    /// The rules of a grant.
    pub(super) fn new(access: Access) -> Self {
        Self {
            access,
            suspended: AtomicBool::new(false),
            definition: AtomicBool::new(false),
            effort: AtomicU32::new(0),
            effort_max: AtomicU32::new(EFFORT_MAX),
            refusal: Mutex::new(None),
        }
    }

    /// Another statement is about to be prepared.
    pub(super) fn begin(&self, class: Class) {
        self.definition.store(class == Class::Definition, Ordering::Relaxed);
        self.effort.store(0, Ordering::Relaxed);
        let effort_max = if class == Class::Definition { EFFORT_OF_DEFINITION_MAX } else { EFFORT_MAX };
        self.effort_max.store(effort_max, Ordering::Relaxed);
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The statement is about to run, and the limits were set for this effort. From here on SQLite asks only when the schema has changed,
    /// and then the effort may not have grown.
    pub(super) fn run(&self, effort_max: u32) {
        self.effort.store(0, Ordering::Relaxed);
        self.effort_max.store(effort_max, Ordering::Relaxed);
    }

    /// Lets our own statements pass. None of a guest's may be prepared or run within.
    pub(super) fn suspend<T>(&self, ours: impl FnOnce() -> T) -> T {
        self.suspended.store(true, Ordering::Relaxed);
        let result = ours();
        self.suspended.store(false, Ordering::Relaxed);
        result
    }

    /// How expensive the functions of the statement can be; 0 when it came prepared from the cache.
    pub(super) fn effort(&self) -> u32 {
        self.effort.load(Ordering::Relaxed)
    }

    /// Why the statement was denied, if it was.
    pub(super) fn refusal(&self) -> Option<String> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The answer to SQLite.
    pub(super) fn judge(&self, context: &AuthContext<'_>) -> Authorization {
        if self.suspended.load(Ordering::Relaxed) {
            return Authorization::Allow;
        }
        match self.verdict(context) {
            Ok(()) => Authorization::Allow,
            Err(refusal) => {
                self.refusal.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(refusal);
                Authorization::Deny
            }
        }
    }

    fn verdict(&self, context: &AuthContext<'_>) -> Result<(), String> {
        if table_of(&context.action).is_some_and(|table| table.eq_ignore_ascii_case(MIGRATIONS)) {
            return Err(format!("the table {MIGRATIONS} is the host's own"));
        }
        match context.action {
            AuthAction::Select | AuthAction::Recursive | AuthAction::Read { .. } => Ok(()),
            AuthAction::Function { function_name } => self.function(function_name, context.accessor.is_some()),
            AuthAction::Insert { table_name } => self.change("INSERT into", table_name),
            AuthAction::Update { table_name, .. } => self.change("UPDATE of", table_name),
            AuthAction::Delete { table_name } => self.change("DELETE from", table_name),
            AuthAction::CreateTable { .. }
            | AuthAction::CreateIndex { .. }
            | AuthAction::CreateView { .. }
            | AuthAction::DropTable { .. }
            | AuthAction::DropIndex { .. }
            | AuthAction::DropView { .. }
            | AuthAction::Reindex { .. } => self.define(context.database_name),
            AuthAction::AlterTable { database_name, .. } => self.define(Some(database_name)),
            AuthAction::Pragma { pragma_name, pragma_value } => self.pragma(pragma_name, pragma_value),
            ref action => Err(format!("{} not available", outside_name(action))),
        }
    }

    fn function(&self, name: &str, in_trigger_or_view: bool) -> Result<(), String> {
        let lower = name.to_ascii_lowercase();
        let name = lower.as_str();
        let allowed = FUNCTIONS.contains(&name)
            || (in_trigger_or_view && SESSION_FUNCTIONS.contains(&name))
            || (self.defines() && DEFINITION_FUNCTIONS.contains(&name));
        if !allowed {
            return Err(format!("the function {name} is not available"));
        }
        let effort = effort(name);
        if effort > 0 && self.effort.fetch_add(effort, Ordering::Relaxed).saturating_add(effort) > self.effort_max.load(Ordering::Relaxed) {
            return Err("too many of the functions LIKE, GLOB, instr, replace and json_patch in one statement".to_owned());
        }
        Ok(())
    }

    fn change(&self, action: &str, table: &str) -> Result<(), String> {
        if self.access == Access::Read {
            return Err(format!("{action} {table}: the grant is for reading only"));
        }
        let reserved = table.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("sqlite_"));
        if reserved && !self.defines() {
            return Err(format!("{action} {table}: the table belongs to the database itself"));
        }
        Ok(())
    }

    fn define(&self, database: Option<&str>) -> Result<(), String> {
        if !self.defines() {
            return Err("changes of the schema: the grant is for reading only".to_owned());
        }
        // `CREATE TABLE temp.x` is not what SQLite calls creating a temporary table.
        if database.is_some_and(|database| database != "main") {
            return Err("temporary tables and views are not available".to_owned());
        }
        Ok(())
    }

    /// SQLite's own modules run these two, the first to see whether the full-text index has changed, the second after `ALTER TABLE`.
    fn pragma(&self, name: &str, value: Option<&str>) -> Result<(), String> {
        let own = name.eq_ignore_ascii_case("data_version") && value.is_none();
        if own || (self.defines() && name.eq_ignore_ascii_case("quick_check")) {
            return Ok(());
        }
        Err("PRAGMA is not available".to_owned())
    }

    fn defines(&self) -> bool {
        self.access == Access::Write && self.definition.load(Ordering::Relaxed)
    }
}

/// The table that an action is about.
fn table_of<'a>(action: &AuthAction<'a>) -> Option<&'a str> {
    match *action {
        AuthAction::Read { table_name, .. }
        | AuthAction::Insert { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::Delete { table_name }
        | AuthAction::CreateTable { table_name }
        | AuthAction::DropTable { table_name }
        | AuthAction::AlterTable { table_name, .. }
        | AuthAction::CreateIndex { table_name, .. }
        | AuthAction::DropIndex { table_name, .. } => Some(table_name),
        AuthAction::CreateView { view_name } | AuthAction::DropView { view_name } => Some(view_name),
        _ => None,
    }
}

fn outside_name(action: &AuthAction<'_>) -> &'static str {
    match action {
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => "ATTACH and DETACH are",
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => "transactions are",
        AuthAction::CreateTrigger { .. } | AuthAction::DropTrigger { .. } => "creating and dropping triggers is",
        AuthAction::CreateVtable { .. } | AuthAction::DropVtable { .. } => "creating and dropping virtual tables is",
        AuthAction::Analyze { .. } => "ANALYZE is",
        AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. }
        | AuthAction::DropTempIndex { .. }
        | AuthAction::DropTempTable { .. }
        | AuthAction::DropTempTrigger { .. }
        | AuthAction::DropTempView { .. } => "temporary tables and views are",
        _ => "this kind of statement is",
    }
}
