//! What `serve` prints when the plugins are loaded: a table, and how to connect.

use crate::registry::{PluginReport, State};
use crate::server::MCP_PATH;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

/// How many tools of a plugin are listed by name.
const TOOLS_SHOWN: usize = 8;

/// Prints the table and how to connect.
pub(super) fn print(plugins: &Path, reports: &[PluginReport], http: SocketAddr, admin: SocketAddr) {
    use std::io::Write as _;
    // Standard output may be closed; the log has the refusals as well.
    let _ = std::io::stdout().lock().write_all(text(plugins, reports, http, admin).as_bytes());
    log(reports);
}

/// Writes what became of the plugins to the log.
pub(super) fn log(reports: &[PluginReport]) {
    for PluginReport { name, state } in reports {
        match state {
            State::Loaded { revision, tools, skipped, limits, over_granted, .. } => {
                tracing::info!(plugin = name, revision, tools = tools.len(), "loaded");
                limits.iter().filter(|limit| limit.is_lowered()).for_each(|limit| tracing::warn!(plugin = name, "lowered: {limit}"));
                over_granted.iter().for_each(|grant| tracing::warn!(plugin = name, "{grant}"));
                skipped.iter().for_each(|reason| tracing::warn!(plugin = name, "not offered: {reason}"));
            }
            State::Refused { reason } => tracing::error!(plugin = name, "refused: {reason}"),
        }
    }
}

fn text(plugins: &Path, reports: &[PluginReport], http: SocketAddr, admin: SocketAddr) -> String {
    let mut out = String::from("\n");
    let width = reports.iter().map(|report| report.name.len()).max().unwrap_or(0).max("plugin".len());
    let _ = writeln!(out, "{:width$}  {:12}  {:40}  tools", "plugin", "revision", "grants");
    for PluginReport { name, state } in reports {
        match state {
            State::Loaded { revision, tools, grants, skipped, limits, over_granted, .. } => {
                let grants = if grants.is_empty() { "none".to_owned() } else { grants.join(", ") };
                let mut shown = tools.iter().take(TOOLS_SHOWN).cloned().collect::<Vec<_>>().join(" ");
                if tools.len() > TOOLS_SHOWN {
                    let _ = write!(shown, " and {} more", tools.len() - TOOLS_SHOWN);
                }
                let _ = writeln!(out, "{name:width$}  {revision:12}  {grants:40}  {shown}");
                let lowered = limits.iter().filter(|limit| limit.is_lowered()).map(|limit| format!("lowered: {limit}"));
                for line in lowered.chain(over_granted.iter().cloned()) {
                    let _ = writeln!(out, "{:width$}  {line}", "");
                }
                for reason in skipped {
                    let _ = writeln!(out, "{:width$}  not offered: {reason}", "");
                }
            }
            State::Refused { reason } => {
                let reason = reason.replace('\n', &format!("\n{:width$}  ", ""));
                let _ = writeln!(out, "{name:width$}  REFUSED: {reason}");
            }
        }
    }
    if reports.is_empty() {
        let _ = writeln!(out, "(nothing in {}: put <name>/plugin.toml with its component there, or a bare <name>.wasm)", plugins.display());
    }
    let url = format!("http://{http}{MCP_PATH}");
    let _ = write!(
        out,
        "
MCP     {url}
health  http://{admin}/readyz

Claude Code:  claude mcp add --transport http cofferdam {url}
.mcp.json:    {{\"mcpServers\":{{\"cofferdam\":{{\"type\":\"http\",\"url\":\"{url}\"}}}}}}

"
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::{Effective, Whose};

    #[test]
    fn what_was_lowered_and_what_is_not_used_is_said() {
        let limit = |name: &str, from| Effective { name: name.to_owned(), value: "64MiB".to_owned(), from };
        let state = State::Loaded {
            version: None,
            revision: "0123456789ab".to_owned(),
            tools: vec!["tickets_find".to_owned()],
            grants: vec!["client".to_owned()],
            skipped: Vec::new(),
            limits: vec![limit("output", Whose::Manifest), limit("memory", Whose::Lowered { asked: "1GiB".to_owned() })],
            over_granted: vec!["granted but not used: client; the component does not import it".to_owned()],
        };
        let reports = [PluginReport { name: "tickets".to_owned(), state }];
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let text = text(Path::new("plugins"), &reports, address, address);
        assert!(
            text.contains("\n         lowered: memory 64MiB (operator, manifest asks 1GiB)\n         granted but not used: client;"),
            "{text}"
        );
        assert!(!text.contains("output"), "{text}");
    }
}
