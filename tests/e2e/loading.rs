//! What may be loaded, and what the operator is told about what may not. `tests/cases/loading/<fixture>.txt` holds, for every WAT fixture,
//! the tools that it offers or the reason why it is refused; a fixture without one fails. `UPDATE=1` writes them anew.

use cofferdam::registry::State;
use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;
use tests::client;
use tests::host::{Plugins, guest};
use tests::wat;

#[test]
fn every_fixture_is_loaded_or_refused_as_written() {
    let plugins = wat::names().iter().fold(Plugins::new(), |plugins, name| {
        if name == "core-module" { plugins.bare(name, &wat::core_module(name)) } else { plugins.wat(name) }
    });
    // Two fixtures loop: they cost what a description may cost.
    let host = plugins.limits(|limits| limits.describe_cpu_time_max = std::time::Duration::from_millis(200)).start();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/loading");
    let mut wrong = String::new();
    for name in wat::names() {
        let outcome = match host.state(&name) {
            State::Loaded { tools, grants, skipped, .. } => {
                let skipped: String = skipped.iter().map(|reason| format!("not offered: {reason}\n")).collect();
                format!("loaded: {}\ngrants: {}\n{skipped}", tools.join(" "), grants.join(" "))
            }
            State::Refused { reason } => format!("refused: {reason}\n"),
        };
        let file = folder.join(format!("{name}.txt"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &outcome).unwrap();
        } else if std::fs::read_to_string(&file).unwrap_or_default() != outcome {
            let _ = writeln!(wrong, "{name}: {outcome}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    // Whatever was refused, the others serve.
    assert_eq!(client::call(host.address, "echo-bare_echo", json!({"text": "hi"})).text(), "hi");
}

#[test]
fn not_a_component() {
    let whole = wat::component("echo-bare");
    let mut plugins = Plugins::new().bare("good", &whole).bare("empty", b"").bare("text", b"hello").bare("precompiled", b"\x7fELF....");
    for cut in (0..whole.len()).step_by(512) {
        plugins = plugins.bare(&format!("cut-{cut}"), &whole[..cut]);
    }
    let host = plugins.bare("huge", &vec![0; 33 << 20]).start();
    for report in host.reports.iter().filter(|report| report.name != "good") {
        assert!(matches!(report.state, State::Refused { .. }), "{report:?}");
    }
    assert!(host.refusal("huge").contains("component_bytes_max"));
    assert_eq!(client::call(host.address, "good_echo", json!({"text": "hi"})).text(), "hi");
}

#[test]
fn a_component_that_was_not_granted_a_database_is_told_what_to_write() {
    let host = Plugins::new().guest("database").start();
    let reason = host.refusal("database");
    assert!(reason.contains("cofferdam:mcp/sql@0.1.0") && reason.contains("[grants.sql.") && reason.contains("plugin.toml"), "{reason}");
}

#[test]
fn a_grant_that_the_operator_does_not_offer_is_refused() {
    let manifest = "name = \"database\"\n[grants.sql.orders]\naccess = \"read\"\n";
    let host = Plugins::new().with_manifest("database", &guest("database"), manifest).database("shop", "SELECT 1;").start();
    let reason = host.refusal("database");
    assert!(reason.contains("plugin.toml:2:") && reason.contains("orders") && reason.contains("shop"), "{reason}");
}

#[test]
fn what_was_not_granted_is_refused_with_the_lines_to_write() {
    let bytes = guest("conformance");
    let manifest = |grants: &str| format!("name = \"conformance\"\nprefix = \"\"\n{grants}");
    for (grants, missing) in [
        ("", "[grants.client]"),
        ("[grants.changes]\n", "[grants.client]"),
        ("[grants.client]\n", "[grants.changes]"),
        ("[grants.client]\n[grants.changes]\n", ""),
    ] {
        let host = Plugins::new().with_manifest("conformance", &bytes, &manifest(grants)).start();
        if missing.is_empty() {
            assert!(matches!(host.state("conformance"), State::Loaded { grants, .. } if *grants == ["client", "changes"]));
            continue;
        }
        let reason = host.refusal("conformance");
        let interface = if missing == "[grants.client]" { "cofferdam:mcp/client@0.1.0" } else { "cofferdam:mcp/changes@0.1.0" };
        assert!(reason.contains(interface) && reason.contains("plugin.toml") && reason.contains(missing), "{grants:?}: {reason}");
        assert_eq!(client::call(host.address, "greet", json!({"name": "Ada"})).code(), -32602);
    }
    // A bare component has no manifest to write it in.
    let host = Plugins::new().bare("conformance", &bytes).start();
    assert!(host.refusal("conformance").contains("[grants."), "{}", host.refusal("conformance"));
}

#[test]
fn a_bad_manifest_stops_nobody_else() {
    let echo = wat::component("echo-bare");
    let host = Plugins::new()
        .with_manifest("broken", &echo, "name = \"broken\"\n[limits]\nmemroy = \"1MiB\"\n")
        .with_manifest("other-name", &echo, "name = \"another\"\n")
        .with_manifest("escape", &echo, "name = \"escape\"\ncomponent = \"../echo.wasm\"\n")
        .with_manifest("good", &echo, "name = \"good\"\nprefix = \"\"\n")
        .start();
    assert!(host.refusal("broken").contains("plugin.toml:3:1: unknown key \"memroy\""), "{}", host.refusal("broken"));
    assert!(host.refusal("other-name").contains("make them the same"));
    assert!(host.refusal("escape").contains("component"));
    assert_eq!(client::call(host.address, "echo", json!({"text": "hi"})).text(), "hi");
}

#[test]
fn same_tool_in_two_plugins_is_refused_for_the_newcomer() {
    let echo = wat::component("echo-bare");
    let host = Plugins::new()
        .with_manifest("first", &echo, "name = \"first\"\nprefix = \"\"\n")
        .with_manifest("second", &echo, "name = \"second\"\nprefix = \"\"\n")
        .start();
    assert!(matches!(host.state("first"), State::Loaded { .. }));
    assert!(host.refusal("second").contains("is offered by the plugin first already"));
}

#[test]
fn a_second_plugin_from_the_sdk_answers() {
    let host = Plugins::new().guest("greeter").start();
    let State::Loaded { tools, grants, .. } = host.state("greeter") else { panic!("{:?}", host.state("greeter")) };
    assert!(!tools.is_empty() && grants.is_empty());
    let greeting = client::call(host.address, "greeter_greet", json!({"name": "Ada"}));
    assert!(greeting.body.contains("Ada") && greeting.json()["result"].get("isError").is_none(), "{greeting:?}");
}

#[test]
fn damaged_compiled_code_is_made_again() {
    let plugins = || Plugins::new().wat("echo-bare");
    let first = plugins();
    let state = first.scratch().join("state");
    let start = |plugins: &Plugins| {
        let config = cofferdam::config::Config { state: state.clone(), ..plugins.config() };
        let host = cofferdam::cli::Host::new(&config).unwrap();
        let (done, loaded) = std::sync::mpsc::channel();
        host.load(&config, move |reports| drop(done.send(reports.to_vec())));
        let reports = loaded.recv().unwrap();
        host.shut_down();
        assert!(matches!(reports[0].state, State::Loaded { .. }), "{reports:?}");
    };
    start(&first);
    let code = files_below(&state.join("code")).into_iter().find(|file| file.extension().is_some_and(|e| e == "cwasm")).unwrap();
    let whole = std::fs::read(&code).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"", b"planted"] {
        std::fs::write(&code, damaged).unwrap();
        start(&first);
        assert_eq!(std::fs::read(&code).unwrap().len(), whole.len());
    }
}

fn files_below(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
