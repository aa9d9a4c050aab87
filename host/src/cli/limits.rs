//! `cofferdam limits`.

use super::{Options, print, print_json, start};
use crate::config::Config;
use crate::limits::Limits;
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
        let row = |(row, default): (&crate::limits::Row, &crate::limits::Row)| {
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
        let changed = if row.value == default.value { String::new() } else { format!(" [changed; default {}]", default.value) };
        let key = Config::limit_key(row.name).map(|key| format!(" [limits] {key}")).unwrap_or_default();
        let _ = writeln!(out, "{:width$}  {:>12}  {}{key}{changed}", row.name, row.value, row.reason);
    }
    print(&out);
    Ok(())
}
