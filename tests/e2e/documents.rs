//! Documents that are refused: each with its line, its key and what to write instead, and everything else goes on serving. The cases are
//! those of `tests/cases`; names and ids follow the project's catalogue of attacks, group M.

use cofferdam::registry::State;
use serde_json::json;
use std::path::{Path, PathBuf};
use tests::client;
use tests::host::{Plugins, TestHost, guest};
use tests::{process, wat};

fn cases(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(kind)
}

/// Bad documents of a kind whose names begin with one of `prefixes`: name, text, and what is wrong from the line on.
fn bad(kind: &str, prefixes: &[&str]) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(cases(kind)).unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        if file.extension().is_some_and(|extension| extension == "err") && prefixes.iter().any(|prefix| name.starts_with(prefix)) {
            let (text, error) = (std::fs::read_to_string(file.with_extension("toml")).unwrap(), std::fs::read_to_string(&file).unwrap());
            let (_, wrong) = error.trim_end().split_once(".toml").unwrap();
            found.push((name, text, wrong.to_owned()));
        }
    }
    found.sort();
    found
}

fn assert_good(host: &TestHost) {
    assert_eq!(client::call(host.address, "good_echo", json!({"text": "hi"})).text(), "hi");
}

/// One folder with a good plugin and all of these bad ones: each is refused for what is wrong in it, and the good one answers.
fn refused(prefixes: &[&str], at_least: usize) {
    let (echo, cases) = (wat::component("echo-bare"), bad("manifest", prefixes));
    assert!(cases.len() >= at_least, "only {} cases", cases.len());
    let mut plugins = Plugins::new().bare("good", &echo).limits(|limits| limits.plugins_max = 1_000);
    for (at, (_, text, _)) in cases.iter().enumerate() {
        plugins = plugins.with_manifest(&format!("bad-{at}"), &echo, text);
    }
    let host = plugins.start();
    for (at, (name, _, wrong)) in cases.iter().enumerate() {
        let reason = host.refusal(&format!("bad-{at}"));
        assert!(reason.contains(&format!("bad-{at}/plugin.toml{wrong}")), "{name}: {reason}\nexpected: {wrong}");
    }
    assert!(matches!(host.state("good"), State::Loaded { .. }));
    assert_good(&host);
}

#[test]
fn every_bad_manifest_stops_only_its_own_plugin() {
    refused(&[""], 60);
}

#[test]
fn m01_unknown_field() {
    refused(&["unknown_key", "unknown_section", "wrong_section"], 15);
}

#[test]
fn m02_wrong_types() {
    let values = ["access", "concurrency", "config_value", "cpu", "memory", "output", "rows", "secrets", "timeout", "version", "watch"];
    refused(&values, 40);
}

#[test]
fn m03_same_plugin_twice() {
    let echo = wat::component("echo-bare");
    let host = Plugins::new()
        .with_manifest("good", &echo, "name = \"good\"\n")
        .bare("good", &echo)
        .with_manifest("Good", &echo, "name = \"good\"\n")
        .with_manifest("good-2", &echo, "name = \"good\"\n")
        .start();
    assert!(host.refusal("good.wasm").contains("there is a folder \"good\" already"), "{}", host.refusal("good.wasm"));
    for other in ["Good", "good-2"] {
        assert!(host.refusal(other).contains("make them the same"), "{}", host.refusal(other));
    }
    assert_good(&host);
}

#[test]
fn m04_same_tool_in_two_plugins() {
    let echo = wat::component("echo-bare");
    let host = Plugins::new()
        .with_manifest("good", &echo, "name = \"good\"\n")
        .with_manifest("newcomer", &echo, "name = \"newcomer\"\nprefix = \"good_\"\n")
        .start();
    assert!(host.refusal("newcomer").contains("is offered by the plugin good already"), "{}", host.refusal("newcomer"));
    assert_good(&host);
}

#[test]
fn m05_plugin_name_tricks() {
    refused(&["name_", "prefix_", "database_name"], 12);
}

#[test]
fn m06_component_path_escape() {
    refused(&["component_"], 9);
}

#[test]
fn m12_limits_over_the_operators() {
    let manifest =
        "name = \"hostile\"\n[limits]\nmemory = \"4GiB\"\ntimeout = \"1h\"\ncpu = \"1h\"\noutput = \"1GiB\"\nconcurrency = 100000\n";
    let host = Plugins::new()
        .with_manifest("hostile", &guest("hostile"), manifest)
        .limits(|limits| limits.cpu_time_max = std::time::Duration::from_millis(100))
        .start();
    let answer = client::call(host.address, "hostile_loop_forever", json!({}));
    assert_eq!((answer.status, answer.code()), (504, 1003), "{answer:?}");
    let grown = client::call(host.address, "hostile_grow_memory_until_refused", json!({})).text();
    assert!(grown.chars().filter(char::is_ascii_digit).collect::<String>().parse::<u32>().unwrap() <= 1_024, "{grown}");
}

#[test]
fn every_bad_configuration_is_refused_before_anything_starts() {
    let cases = bad("config", &[""]);
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    for (name, _, wrong) in cases {
        let file = cases_file(&name);
        let printed = process::output(&["limits", "--config", &file]);
        assert_eq!(printed.trim_end(), format!("cofferdam: {file}{wrong}"), "{name}");
    }
}

fn cases_file(name: &str) -> String {
    cases("config").join(format!("{name}.toml")).to_string_lossy().into_owned()
}

#[test]
fn m09_malformed_patterns_never_match_nothing_in_silence() {
    for prefix in ["hosts_", "origins_", "secret_hosts_"] {
        let cases = bad("config", &[prefix]);
        assert!(cases.len() >= 4, "{prefix}: only {} cases", cases.len());
        for (name, _, wrong) in cases {
            let printed = process::output(&["limits", "--config", &cases_file(&name)]);
            assert!(printed.contains(&wrong), "{name}: {printed}");
        }
    }
}
