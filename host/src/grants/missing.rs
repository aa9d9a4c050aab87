//! What to say when a component imports what it was not granted: all of it at once, with one piece of manifest to paste.

use super::missing_import_help;
use crate::manifest::listed;
use std::fmt;

/// Interfaces that a component imports and was not granted, with their versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingImports(pub Vec<String>);

impl MissingImports {
    /// Whether anything is known about what to do.
    #[must_use]
    pub fn has_help(&self) -> bool {
        self.0.iter().any(|interface| help(interface).is_some())
    }

    /// The lines for the manifest that grant as much of it as can be granted; empty when nothing can.
    #[must_use]
    pub fn manifest_lines(&self) -> String {
        let mut lines: Vec<String> = Vec::new();
        for section in self.0.iter().filter_map(|interface| help(interface)).filter_map(|help| split(&help).1.map(str::to_owned)) {
            if !lines.contains(&section) {
                lines.push(section);
            }
        }
        lines.join("\n")
    }

    /// What cannot be granted, with the reason.
    #[must_use]
    pub fn not_offered(&self) -> Vec<(String, String)> {
        let reason = |interface: &String| match help(interface) {
            Some(help) if split(&help).1.is_some() => None,
            Some(help) => Some((interface.clone(), help)),
            None => Some((interface.clone(), "This host does not offer it".to_owned())),
        };
        self.0.iter().filter_map(reason).collect()
    }
}

impl fmt::Display for MissingImports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the component imports {}, which it was not granted", listed(&self.0, "and"))?;
        if let [interface] = self.0.as_slice() {
            return match help(interface) {
                Some(help) => write!(f, ". {help}"),
                None => f.write_str(". This host does not offer it"),
            };
        }
        let not_offered = self.not_offered();
        for (interface, reason) in &not_offered {
            write!(f, "\n{interface}: {reason}")?;
        }
        let lines = self.manifest_lines();
        match (lines.is_empty(), not_offered.is_empty()) {
            (true, _) => Ok(()),
            (false, true) => write!(f, ". Write in plugin.toml, with the operator's names:\n{lines}"),
            (false, false) => write!(f, "\nFor the others, write in plugin.toml, with the operator's names:\n{lines}"),
        }
    }
}

fn help(interface: &str) -> Option<String> {
    let function = || (!interface.contains('/')).then(|| "Plugins import interfaces, not single functions".to_owned());
    missing_import_help(interface).or_else(function)
}

/// The sentence, and the lines for a manifest behind it.
fn split(help: &str) -> (&str, Option<&str>) {
    match help.split_once('\n') {
        Some((sentence, lines)) if lines.starts_with('[') => (sentence, Some(lines)),
        _ => (help, None),
    }
}
