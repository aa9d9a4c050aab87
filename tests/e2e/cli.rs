//! The commands, as one types them. `tests/cases/cli/<case>` is one: `args` has an argument on each line; `files` is the folder that it
//! runs in; each line of `components` is a path in there with the component that is put there, `guest:<name>` or `wat:<name>`; `stdin` is
//! what it reads. `expected` is how it ends and what it prints; `UPDATE=1` writes it anew.

use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tests::host::{binary, guest};
use tests::wat;

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/cli")
}

#[test]
fn every_command_does_what_is_written() {
    let mut names: Vec<_> = std::fs::read_dir(cases()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(names.len() >= 25, "cases are missing: {names:?}");
    let mut wrong = String::new();
    for name in names {
        let case = cases().join(&name);
        let folder = prepare(&case);
        let args = std::fs::read_to_string(case.join("args")).unwrap();
        let stdin = std::fs::read(case.join("stdin")).unwrap_or_default();
        let output = run(folder.path(), &args.lines().collect::<Vec<_>>(), &stdin);
        let given = normalised(&output, folder.path());
        let file = case.join("expected");
        if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
            std::fs::write(&file, &given).unwrap();
        } else if std::fs::read_to_string(&file).unwrap_or_default() != given {
            let _ = writeln!(wrong, "{name}:\n{given}");
        }
        let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(left.filter(|file| file.starts_with("cofferdam-")).collect::<Vec<_>>(), Vec::<String>::new(), "{name} left it behind");
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The folder that a case runs in.
fn prepare(case: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&case.join("files"), folder.path());
    for line in std::fs::read_to_string(case.join("components")).unwrap_or_default().lines() {
        let (path, component) = line.rsplit_once(' ').unwrap();
        let bytes = match component.split_once(':').unwrap() {
            ("wat", "core-module") => wat::core_module("core-module"),
            ("wat", name) => wat::component(name),
            (_, name) => guest(name),
        };
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    folder
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).into_iter().flatten() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy(&path, &to);
        } else {
            std::fs::copy(path, to).unwrap();
        }
    }
}

fn run(folder: &Path, args: &[&str], stdin: &[u8]) -> Output {
    let mut command = Command::new(binary());
    command.args(args).current_dir(folder).env("RUST_LOG", "off").env("TMPDIR", folder);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that does not read may be gone already.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

/// What is the same whatever was built the guests, and wherever the case runs.
fn normalised(output: &Output, folder: &Path) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap().replace(&*folder.to_string_lossy(), "<folder>");
    let code = output.status.code().unwrap();
    let whole = format!("exit {code}\n--- stdout\n{}--- stderr\n{}", text(&output.stdout), text(&output.stderr));
    whole.split_inclusive('\n').map(line).collect()
}

fn line(line: &str) -> String {
    if line.trim_start().starts_with("\"bytes\": ") {
        return "  \"bytes\": <bytes>,\n".to_owned();
    }
    let line: String = line.split_inclusive([' ', '"']).map(word).collect();
    match line.strip_suffix(" bytes\n").and_then(|line| line.rsplit_once(' ')) {
        Some((before, count)) if count.parse::<u64>().is_ok() => format!("{before} <count> bytes\n"),
        _ => line,
    }
}

/// Digests and references.
fn word(word: &str) -> String {
    let bare = word.trim_end_matches([' ', '"', '\n', ',', ')']);
    let is_digest = matches!(bare.len(), 12 | 16 | 64) && bare.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_digest { word.replacen(bare, "<revision>", 1) } else { word.to_owned() }
}

#[test]
fn limits_show_what_the_operator_changed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cofferdam.toml"), "[limits]\nguest_memory = \"32MiB\"\nwall_time = \"30s\"\n").unwrap();
    let output = run(folder.path(), &["limits"], b"");
    let text = String::from_utf8(output.stdout).unwrap();
    let row = |name: &str| text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap_or_else(|| panic!("{name}: {text}"));
    assert!(row("guest_memory_bytes_max").contains(" 32MiB ") && row("guest_memory_bytes_max").contains("default 64MiB"), "{text}");
    assert!(row("guest_memory_bytes_max").contains("[limits] guest_memory"), "{text}");
    assert!(row("wall_time_max").contains(" 30s ") && !row("wall_time_max").contains("default"), "{text}");
    assert!(!row("handles_max").contains("[limits]"), "{text}");
    let output = run(folder.path(), &["limits", "--json"], b"");
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
    let memory = row("guest_memory_bytes_max");
    assert_eq!((&memory["value"], &memory["default"], &memory["changed"]), (&(32 << 20).into(), &(64 << 20).into(), &true.into()));
    assert_eq!((&memory["key"], &row("handles_max")["key"]), (&"limits.guest_memory".into(), &Value::Null));
    assert_eq!((&row("wall_time_max")["value"], &row("wall_time_max")["changed"]), (&"30s".into(), &false.into()));
}

#[test]
fn check_creates_no_database_and_keeps_no_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let config = "[databases.main]\nengine = \"sqlite\"\npath = \"data/main.db\"\ninit = \"main.sql\"\n";
    std::fs::write(path.join("cofferdam.toml"), config).unwrap();
    std::fs::write(path.join("main.sql"), "CREATE TABLE t (a);").unwrap();
    std::fs::create_dir_all(path.join("plugins/database")).unwrap();
    let manifest = "name = \"database\"\ndescription = \"d\"\n[grants.sql.main]\naccess = \"write\"\n";
    std::fs::write(path.join("plugins/database/plugin.toml"), manifest).unwrap();
    std::fs::write(path.join("plugins/database/database.wasm"), guest("database")).unwrap();
    let output = run(path, &["check"], b"");
    assert!(output.status.success(), "{output:?}");
    let mut left: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, [".cofferdam", "cofferdam.toml", "main.sql", "plugins"]);
    let state: Vec<_> = std::fs::read_dir(path.join(".cofferdam")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(state, ["code"]);
    // A script that does not run is found, too.
    std::fs::write(path.join("main.sql"), "CREATE TABEL t (a);").unwrap();
    let output = run(path, &["check"], b"");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("the database \"main\" could not be created"), "{text}");
    assert!(!path.join("data").exists());
}

#[test]
fn what_inspect_says_to_paste_is_a_manifest() {
    let folder = tempfile::tempdir().unwrap();
    for (file, bytes) in [
        ("database.wasm", guest("database")),
        ("My Tool (2).wasm", guest("conformance")),
        ("x\"y.wasm", wat::component("imports-sql")),
        ("7.wasm", wat::component("plain-import")),
    ] {
        std::fs::write(folder.path().join(file), bytes).unwrap();
        let output = run(folder.path(), &["inspect", file, "--json"], b"");
        let inspected: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{file}: {error}: {output:?}"));
        let manifest = inspected["manifest"].as_str().unwrap();
        let parsed = cofferdam::manifest::Manifest::parse(manifest, "plugin.toml").unwrap_or_else(|error| panic!("{error}\n{manifest}"));
        assert_eq!(parsed.name.as_str(), inspected["name"]);
        let needs = |grant: &str| inspected["imports"].as_array().unwrap().iter().any(|import| import["grant"] == grant);
        assert_eq!(parsed.grants.client, needs("[grants.client]"), "{manifest}");
        assert_eq!(!parsed.grants.sql.is_empty(), needs("[grants.sql.main]"), "{manifest}");
        assert!(inspected["offers"]["operations"].as_array().is_some_and(|operations| !operations.is_empty()), "{inspected}");
    }
}

/// Imports something that is not linked and takes a stream of something that is.
const TAKES_A_STREAM: &str = r#";; wit: world fixture {
;; wit:   import acme:pipes/sink@1.0.0;
;; wit:   import wasi:http/types@0.2.0;
;; wit:   export cofferdam:mcp/catalog@0.1.0;
;; wit:   export cofferdam:mcp/query@0.1.0;
;; wit: }
;; wit: package wasi:io@0.2.0 { interface streams { resource input-stream; } }
;; wit: package wasi:http@0.2.0 { interface types { use wasi:io/streams@0.2.0.{input-stream}; resource body; take: func(body: body, source: input-stream); } }
;; wit: package acme:pipes@1.0.0 { interface sink { use wasi:http/types@0.2.0.{body}; pour: func(body: body) -> string; } }
(module
  (import "acme:pipes/sink@1.0.0" "pour" (func (param i32 i32)))
  (import "wasi:http/types@0.2.0" "take" (func (param i32 i32)))
  ;; include: base
  ;; include: describe
  ;; include: handle
)"#;

#[test]
fn inspect_runs_what_imports_resources_that_nobody_has() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.wasm"), wat::component_of("takes-a-stream", TAKES_A_STREAM)).unwrap();
    let output = run(folder.path(), &["inspect", "a.wasm"], b"");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success() && text.contains("query a_echo") && text.contains("acme:pipes/sink@1.0.0  not offered"), "{output:?}");
}
