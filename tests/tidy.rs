//! The architecture as a test: who may use whom, how long files are, and that nothing is left lying about.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Layers from the bottom. A module may use modules of lower layers only; modules of one layer do not know each other. Changing this table
/// is changing the architecture: `host/ARCHITECTURE.md` says what each is for.
const LAYERS: &[&[&str]] = &[
    &["ids", "limits", "clock", "secret"],
    &["wit", "mcp", "manifest", "topics"],
    &["grants", "tasks", "secrets"],
    &["config", "egress"],
    &["caps", "auth", "reference"],
    &["runtime"],
    &["registry"],
    &["dispatch"],
    &["legacy"],
    &["server"],
    &["cli"],
];

/// Crates that only some modules may name.
const RESERVED: &[(&str, &[&str])] = &[
    ("wasmtime", &["runtime", "caps", "wit"]),
    ("wasmtime_wasi", &["runtime"]),
    ("wasmtime_wasi_http", &["runtime", "caps"]),
    ("hyper", &["server", "egress"]),
    ("hyper_util", &["server", "egress"]),
    ("wit_parser", &["runtime"]),
    ("wit_component", &["runtime"]),
    ("rusqlite", &["caps", "tasks"]),
    ("anyhow", &["cli"]),
    ("clap", &["cli"]),
];

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !["target", "node_modules", ".git", "deps"].contains(&name.as_str()) {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Code without comments, and without the tests at the end of a file.
fn code(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// Modules of the host with the text of all of their files.
fn modules() -> BTreeMap<String, Vec<(PathBuf, String)>> {
    let source = root().join("host/src");
    let mut modules: BTreeMap<String, Vec<(PathBuf, String)>> = BTreeMap::new();
    for file in files(&source, "rs") {
        let relative = file.strip_prefix(&source).unwrap();
        let module = relative.iter().next().unwrap().to_string_lossy().trim_end_matches(".rs").to_owned();
        if !["lib", "main"].contains(&module.as_str()) {
            modules.entry(module).or_default().push((relative.to_owned(), code(&file)));
        }
    }
    modules
}

#[test]
fn modules_use_only_lower_layers() {
    let mut wrong = String::new();
    for (module, files) in modules() {
        let layer = layer_of(&module).unwrap_or_else(|| panic!("the module {module} has no layer"));
        for (file, code) in files {
            for used in code.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let lower = used == module || layer_of(&used).is_some_and(|other| other < layer);
                if !lower && layer_of(&used).is_some() {
                    let _ = writeln!(wrong, "{}: {module} uses {used}", file.display());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn crates_are_named_only_where_they_belong() {
    let mut wrong = String::new();
    for (module, files) in modules() {
        for (file, code) in files {
            for (name, allowed) in RESERVED {
                let named = code.match_indices(&format!("{name}::")).any(|(at, _)| {
                    let before = code[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
                });
                if named && !allowed.contains(&module.as_str()) {
                    let _ = writeln!(wrong, "{}: {module} names {name}", file.display());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn files_and_functions_are_short() {
    let mut wrong = String::new();
    for folder in ["host", "tests", "sdk-guest", "plugins"] {
        for file in files(&root().join(folder), "rs") {
            let text = std::fs::read_to_string(&file).unwrap();
            if text.lines().count() > FILE_LINES_MAX {
                let _ = writeln!(wrong, "{} has {} lines", file.display(), text.lines().count());
            }
            for (line, length) in functions(&text) {
                if length > FUNCTION_LINES_MAX {
                    let _ = writeln!(wrong, "{}:{line} has {length} lines", file.display());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// First line and length of every function, by indentation: rustfmt has put the closing brace under the `fn`.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<_> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let begins = line.trim_start().split("fn ").next().unwrap_or_default();
        let is_function = line.contains("fn ")
            && begins
                .split_whitespace()
                .all(|word| ["pub", "async", "const", "unsafe"].contains(&word.split('(').next().unwrap_or_default()));
        if is_function && !line.trim_end().ends_with([';', '}']) {
            let close = format!("{}}}", " ".repeat(indent));
            let length = lines[at..].iter().position(|line| *line == close).unwrap_or(0);
            found.push((at + 1, length + 1));
        }
    }
    found
}

#[test]
fn nothing_is_left_lying_about() {
    let mut wrong = String::new();
    for folder in ["host", "tests", "sdk-guest", "plugins"] {
        for file in files(&root().join(folder), "rs").into_iter().filter(|file| !file.ends_with("tidy.rs")) {
            let text = std::fs::read_to_string(&file).unwrap();
            for word in ["todo!(", "unimplemented!(", "FIXME", "XXX", "#[ignore", "#[should_panic"] {
                if text.contains(word) {
                    let _ = writeln!(wrong, "{}: {word}", file.display());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_item_of_the_contract_is_documented_and_dated() {
    let mut wrong = String::new();
    for file in files(&root().join("wit"), "wit") {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<_> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let word = line.split_whitespace().next().unwrap_or_default();
            let item = ["interface", "world", "record", "variant", "enum", "flags", "resource", "type"].contains(&word)
                || line.contains(": func(");
            let dated = at > 0 && lines[at - 1].trim_start().starts_with("@since");
            let documented = at > 1 && lines[at - 2].trim_start().starts_with("///");
            if item && !(dated && documented) && !line.trim_start().starts_with("resource-") {
                let _ = writeln!(wrong, "{}:{}: {}", file.display(), at + 1, line.trim());
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
