//! `cofferdam limits`.

use super::{Options, print, print_json, start};
use crate::config::Config;
use crate::limits::{Limits, Row};
use crate::manifest::size_text;
use serde_json::json;
use std::fmt::Write as _;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    options: Options,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = start::config(&arguments.options)?;
    let (rows, defaults) = (config.limits().rows(), Limits::default().rows());
    let rows = rows.iter().zip(&defaults);
    if arguments.json {
        let row = |(row, default): (&Row, &Row)| {
            let (value, default) = (row.value.as_str(), default.value.as_str());
            let number = |text: &str| text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number));
            json!({
                "name": row.name, "value": number(value), "default": number(default), "changed": value != default,
                "key": Config::limit_key(row.name).map(|key| format!("limits.{key}")), "reason": row.reason,
            })
        };
        print_json(&rows.map(row).collect());
        return Ok(());
    }
    let width = defaults.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for (row, default) in rows {
        let changed = (row.value != default.value).then(|| format!("changed, default {}", shown(default)));
        let key = Config::limit_key(row.name).map(|key| format!("set by [limits] {key}"));
        let notes: Vec<String> = key.into_iter().chain(changed).collect();
        let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join("; ")) };
        let _ = writeln!(out, "{:width$}  {:>9}  {}{notes}", row.name, shown(row), row.reason);
    }
    print(&out);
    Ok(())
}

/// A value as people read it: sizes in the unit that they were meant in.
fn shown(row: &Row) -> String {
    let bytes = row.name.contains("_bytes_").then(|| row.value.parse().ok()).flatten();
    bytes.map_or_else(|| row.value.clone(), size_text)
}
