//! `cofferdam limits`.

use super::{Options, start};
use std::io::Write as _;

pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let config = start::config(options)?;
    let rows = config.limits().rows();
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let mut out = std::io::stdout().lock();
    for row in rows {
        writeln!(out, "{:width$}  {:>12}  {}", row.name, row.value, row.reason)?;
    }
    Ok(())
}
