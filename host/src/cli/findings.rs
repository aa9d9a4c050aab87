//! Findings, as people read them and as programs do.

use crate::grants::{Effective, Whose};
use crate::registry::{Checked, Finding, Severity, State};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What a check has found.
#[derive(Default)]
pub(super) struct Findings {
    /// About the configuration, or the plugins folder as a whole.
    pub(super) about_all: Vec<Finding>,
    /// By plugin.
    pub(super) plugins: Vec<Checked>,
}

impl Findings {
    /// How many there are.
    pub(super) fn count(&self, severity: Severity) -> usize {
        let all = self.about_all.iter().chain(self.plugins.iter().flat_map(|plugin| &plugin.findings));
        all.filter(|finding| finding.severity == severity).count()
    }

    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for plugin in &self.plugins {
            push_plugin(&mut out, plugin);
        }
        for finding in &self.about_all {
            push_finding(&mut out, "", finding);
        }
        if !out.is_empty() {
            out.push('\n');
        }
        let (plugins, errors) = (self.plugins.len(), self.count(Severity::Error));
        let of = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let (plugins, errors, warnings) = (of(plugins, "plugin"), of(errors, "error"), of(self.count(Severity::Warning), "warning"));
        let _ = writeln!(out, "{plugins} checked: {errors}, {warnings}");
        out
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "ok": self.count(Severity::Error) == 0,
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "findings": self.about_all.iter().map(finding_json).collect::<Vec<_>>(),
            "plugins": self.plugins.iter().map(plugin_json).collect::<Vec<_>>(),
        })
    }
}

fn push_plugin(out: &mut String, plugin: &Checked) {
    if !out.is_empty() {
        out.push('\n');
    }
    let name = &plugin.report.name;
    match &plugin.report.state {
        State::Refused { .. } => {
            let _ = writeln!(out, "{name}  REFUSED");
        }
        State::Loaded { version, revision, tools, grants, limits, .. } => {
            let version = version.as_ref().map(|version| format!("{version}  ")).unwrap_or_default();
            let _ = writeln!(out, "{name}  {version}revision {revision}");
            let listed = |texts: &[String]| if texts.is_empty() { "none".to_owned() } else { texts.join(", ") };
            let (of_grants, limits): (Vec<_>, Vec<_>) = limits.iter().map(ToString::to_string).partition(|limit| limit.contains(": "));
            let _ = writeln!(out, "  tools   {}\n  grants  {}\n  limits  {}", listed(tools), listed(grants), listed(&limits));
            for limit in of_grants {
                let _ = writeln!(out, "          {limit}");
            }
        }
    }
    for finding in &plugin.findings {
        push_finding(out, "  ", finding);
    }
}

fn push_finding(out: &mut String, indent: &str, finding: &Finding) {
    let severity = severity(finding.severity);
    let _ = writeln!(out, "{indent}{severity}: {}", finding.message.replace('\n', &format!("\n{indent}  ")));
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn finding_json(finding: &Finding) -> Value {
    let severity = severity(finding.severity);
    let Some(document) = &finding.document else { return json!({ "severity": severity, "message": finding.message }) };
    // Lines are counted from 1; 0 stands for the file as a whole.
    let counted = |at: usize| (at > 0).then_some(at);
    json!({
        "severity": severity,
        "message": document.message,
        "file": document.file,
        "line": counted(document.line),
        "column": counted(document.column),
        "key": document.key,
        "help": document.help,
    })
}

fn plugin_json(plugin: &Checked) -> Value {
    let findings: Vec<_> = plugin.findings.iter().map(finding_json).collect();
    let name = &plugin.report.name;
    match &plugin.report.state {
        State::Refused { .. } => json!({ "name": name, "loaded": false, "findings": findings }),
        State::Loaded { version, revision, tools, grants, limits, .. } => json!({
            "name": name,
            "loaded": true,
            "version": version,
            "revision": revision,
            "tools": tools,
            "grants": grants,
            "limits": limits.iter().map(limit_json).collect::<Vec<_>>(),
            "findings": findings,
        }),
    }
}

fn limit_json(limit: &Effective) -> Value {
    let (from, asked) = match &limit.from {
        Whose::Manifest => ("manifest", None),
        Whose::Operator => ("operator", None),
        Whose::Lowered { asked } => ("operator", Some(asked)),
    };
    json!({ "name": limit.name, "value": limit.value, "from": from, "asked": asked })
}
