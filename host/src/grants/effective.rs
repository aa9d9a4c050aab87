//! What holds of what a manifest asks for, and who said so: for the start-up table and `cofferdam check`. Pure.

use super::{Access, Grants, call_limits};
use crate::limits::Limits;
use crate::manifest::{Manifest, duration_text, size_text};
use std::fmt;

/// One limit as it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// What it bounds, as manifests write it: `memory`, `sql main: rows_max`.
    pub name: String,
    /// The value that holds.
    pub value: String,
    /// Who said so.
    pub from: Whose,
}

/// Who set a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// The manifest.
    Manifest,
    /// The operator, by configuration or by default; the manifest says nothing.
    Operator,
    /// The operator; the manifest asks for more.
    Lowered {
        /// For what.
        asked: String,
    },
}

impl Effective {
    /// Whether the manifest asks for more than it gets.
    #[must_use]
    pub fn is_lowered(&self) -> bool {
        matches!(self.from, Whose::Lowered { .. })
    }

    fn new<T: Ord>(name: &str, wanted: Option<T>, holds: T, show: impl Fn(T) -> String) -> Self {
        let from = match wanted {
            None => Whose::Operator,
            Some(wanted) if wanted > holds => Whose::Lowered { asked: show(wanted) },
            Some(_) => Whose::Manifest,
        };
        Self { name: name.to_owned(), value: show(holds), from }
    }
}

/// `memory 64MiB (operator, manifest asks 1GiB)`.
impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.name, self.value)?;
        match &self.from {
            Whose::Manifest => f.write_str("(manifest)"),
            Whose::Operator => f.write_str("(operator)"),
            Whose::Lowered { asked } => write!(f, "(operator, manifest asks {asked})"),
        }
    }
}

/// The limits of one call, and then those of each grant.
#[must_use]
pub fn effective(manifest: &Manifest, grants: &Grants, limits: &Limits) -> Vec<Effective> {
    let (wanted, holds) = (&manifest.limits, call_limits(manifest, limits));
    let count = |count: usize| count.to_string();
    let mut all = vec![
        Effective::new("memory", wanted.memory_bytes_max, holds.memory_bytes_max, size_text),
        Effective::new("timeout", wanted.wall_time_max, holds.wall_time_max, duration_text),
        Effective::new("cpu", wanted.cpu_time_max, holds.cpu_time_max, duration_text),
        Effective::new("output", wanted.output_bytes_max, holds.output_bytes_max, size_text),
        Effective::new("concurrency", wanted.concurrency_max, holds.concurrency_max, count),
    ];
    if let (Some(wanted), Some(grant)) = (&manifest.grants.http, &grants.http) {
        all.push(Effective::new("http: timeout", wanted.total_time_max, grant.total_time_max, duration_text));
        all.push(Effective::new("http: response", wanted.response_bytes_max, grant.response_bytes_max, size_text));
        all.push(Effective::new("http: concurrency", wanted.concurrency_max, grant.concurrency_max, count));
    }
    if let (Some(wanted), Some(grant)) = (&manifest.grants.keyvalue, &grants.keyvalue) {
        all.push(Effective::new("keyvalue: bytes", wanted.bytes_max, grant.bytes_max, size_text));
        all.push(Effective::new("keyvalue: entries", wanted.entries_max, grant.entries_max, |entries| entries.to_string()));
    }
    for (folder, grant) in &grants.files {
        let Some(wanted) = manifest.grants.files.get(folder).filter(|_| grant.access == Access::Write) else { continue };
        let name = |key: &str| format!("files {folder}: {key}");
        let bytes = |bytes: u64| usize::try_from(bytes).map_or_else(|_| bytes.to_string(), size_text);
        all.push(Effective::new(&name("bytes"), wanted.bytes_max.and_then(|bytes| u64::try_from(bytes).ok()), grant.bytes_max, bytes));
        all.push(Effective::new(&name("entries"), wanted.entries_max, grant.entries_max, |entries| entries.to_string()));
    }
    for (database, grant) in &grants.sql {
        let Some(wanted) = manifest.grants.sql.get(database) else { continue };
        let name = |key: &str| format!("sql {database}: {key}");
        all.push(Effective::new(&name("rows_max"), wanted.rows_max, grant.rows_max, |rows| rows.to_string()));
        all.push(Effective::new(&name("timeout"), wanted.statement_time_max, grant.statement_time_max, duration_text));
    }
    all
}

/// The imports that a grant is for, by the first word of its summary. One that is for no import is not here: nobody can tell whether it
/// is used.
const USED_BY: [(&str, &str); 10] = [
    ("client", "cofferdam:mcp/client"),
    ("changes", "cofferdam:mcp/changes"),
    ("events", "cofferdam:mcp/events"),
    ("sql", "cofferdam:mcp/sql"),
    ("http", "cofferdam:mcp/http"),
    ("http", "wasi:http/"),
    ("keyvalue", "cofferdam:mcp/keyvalue"),
    ("files", "wasi:filesystem/"),
    ("secret", "cofferdam:mcp/secrets"),
    ("config", "wasi:config/"),
];

/// What was granted and is imported by nothing: more than the plugin needs.
#[must_use]
pub fn over_granted(grants: &Grants, imports: &[String]) -> Vec<String> {
    let unused = |grant: &String| {
        let word = grant.split(' ').next().unwrap_or_default();
        let mut uses = USED_BY.iter().filter(|(of, _)| *of == word).peekable();
        uses.peek().is_some() && !uses.any(|(_, prefix)| imports.iter().any(|import| import.starts_with(prefix)))
    };
    let unused = grants.summary().into_iter().filter(unused);
    unused.map(|grant| format!("granted but not used: {grant}; the component does not import it")).collect()
}
