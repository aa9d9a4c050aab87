//! Keys and values, as plugins meet them: names, sizes, quotas, and who sees what.

use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use tests::client;
use tests::host::{Plugins, TestHost, binary, guest, manifest};

fn run(host: &TestHost, plugin: &str, steps: Value) -> Vec<Value> {
    let answer = client::call(host.address, &format!("{plugin}_run"), json!({ "steps": steps }));
    let said = answer.json()["result"]["structuredContent"]["said"].as_array().cloned();
    said.unwrap_or_else(|| panic!("{answer:?}"))
}

fn kinds(said: &[Value]) -> Vec<&str> {
    said.iter().map(|said| said["error"].as_str().unwrap_or("ok")).collect()
}

fn ledger() -> Plugins {
    Plugins::new().fixture("ledger").limits(|limits| limits.cpu_time_max = std::time::Duration::from_secs(20))
}

#[test]
fn d10_kv_tricks() {
    let host = ledger().start();
    // Names that mean something elsewhere are only names here.
    let odd = ["../a", "/etc/passwd", "a/../b", "%", "_", "'; drop table entries; --", ".", "C:\\x", "ä\u{202e}"];
    let steps: Vec<_> = odd.iter().map(|key| json!({"do": "set", "key": key, "value": key})).collect();
    assert!(run(&host, "ledger", json!(steps)).iter().all(|said| *said == true));
    let steps: Vec<_> = odd.iter().map(|key| json!({"do": "get", "key": key})).collect();
    assert_eq!(run(&host, "ledger", json!(steps)), odd.map(Value::from));
    assert_eq!(run(&host, "ledger", json!([{"do": "list", "prefix": "../"}])), [json!({"keys": ["../a"], "cursor": null})]);
    // What is no key, or no value.
    let said = run(
        &host,
        "ledger",
        json!([
            {"do": "set", "key": "", "value": "x"},
            {"do": "get", "key": "a\u{0}b"},
            {"do": "long-key", "bytes": 512},
            {"do": "long-key", "bytes": 513},
            {"do": "long-key", "bytes": 1_000_000},
            {"do": "fill", "key": "large", "bytes": 1 << 20, "keys": 1},
            {"do": "fill", "key": "larger", "bytes": (1 << 20) + 1, "keys": 1},
            {"do": "set", "key": "k", "value": "x", "ttl_ms": 0},
            {"do": "increment", "key": "../a", "by": 1},
        ]),
    );
    assert_eq!(kinds(&said), ["invalid", "invalid", "ok", "invalid", "invalid", "ok", "invalid", "invalid", "invalid"], "{said:?}");
    let huge = client::call(host.address, "ledger_run", json!({"steps": [{"do": "fill", "key": "k", "bytes": 20 << 20, "keys": 1}]}));
    assert_eq!(huge.code(), 1004, "more than a guest may hand over: {huge:?}");
    assert_eq!(run(&host, "ledger", json!([{"do": "get", "key": "../a"}])), ["../a"]);
}

#[test]
fn d10_kv_quota_of_bytes_and_of_keys() {
    let quota = "name = \"ledger\"\n[grants.keyvalue]\naccess = \"write\"\nbytes = \"100KiB\"\nentries = 300\n";
    let host = Plugins::new()
        .with_manifest("ledger", &guest("ledger"), quota)
        .with_manifest("second", &guest("ledger"), &quota.replace("ledger", "second"))
        .limits(|limits| limits.cpu_time_max = std::time::Duration::from_secs(20))
        .start();
    let said = run(
        &host,
        "ledger",
        json!([
            {"do": "fill", "key": "k", "bytes": 0, "keys": 1_000},
            {"do": "list", "prefix": ""},
            {"do": "set", "key": "k7", "value": "an old key takes another value"},
            {"do": "set", "key": "new", "value": ""},
            {"do": "delete", "key": "k7"},
            {"do": "set", "key": "new", "value": ""},
            {"do": "fill", "key": "k", "bytes": 1_000, "keys": 200},
        ]),
    );
    assert_eq!(kinds(&said), ["quota", "ok", "ok", "quota", "ok", "ok", "quota"], "{said:?}");
    assert_eq!(said[1]["keys"].as_array().unwrap().len(), 100);
    assert_eq!(kinds(&run(&host, "second", json!([{"do": "fill", "key": "k", "bytes": 300, "keys": 300}]))), ["ok"]);
}

#[test]
fn plugins_do_not_see_each_others_keys() {
    let host =
        Plugins::new().fixture("ledger").with_manifest("second", &guest("ledger"), &manifest("ledger").replace("ledger", "second")).start();
    let all = json!([{"do": "get", "key": "k"}, {"do": "list", "prefix": ""}]);
    run(&host, "ledger", json!([{"do": "set", "key": "k", "value": "of the first"}]));
    assert_eq!(run(&host, "second", all.clone()), [Value::Null, json!({"keys": [], "cursor": null})]);
    run(&host, "second", json!([{"do": "set", "key": "k", "value": "of the second"}, {"do": "delete", "key": "k"}]));
    assert_eq!(run(&host, "ledger", all)[0], "of the first");
}

#[test]
fn a_grant_to_read_does_not_write_and_none_does_not_load() {
    let read = "name = \"ledger\"\n[grants.keyvalue]\naccess = \"read\"\n";
    let host = Plugins::new().with_manifest("ledger", &guest("ledger"), read).guest("hostile").start();
    let said = run(
        &host,
        "ledger",
        json!([
            {"do": "set", "key": "k", "value": "x"},
            {"do": "delete", "key": "k"},
            {"do": "increment", "key": "k", "by": 1},
            {"do": "swap", "key": "k", "value": "x"},
            {"do": "get", "key": "k"},
            {"do": "get-many", "keys": ["k", "l"]},
        ]),
    );
    assert_eq!(kinds(&said), ["denied", "denied", "denied", "denied", "ok", "ok"], "{said:?}");
    assert_eq!(said[5], json!([null, null]));
    let host = Plugins::new().with_manifest("ledger", &guest("ledger"), "name = \"ledger\"\n").start();
    let refused = host.refusal("ledger");
    assert!(refused.contains("cofferdam:mcp/keyvalue") && refused.contains("[grants.keyvalue]\naccess = \"write\""), "{refused}");
}

#[test]
fn g18_kv_get_a_million_times() {
    let host = ledger().start();
    let million =
        client::call(host.address, "ledger_run", json!({"steps": [{"do": "increment", "key": "n", "by": 1, "times": 1_000_000}]}));
    assert_eq!(million.code(), 1004, "{million:?}");
    assert_eq!(run(&host, "ledger", json!([{"do": "increment", "key": "n", "by": 0}])), [10_000]);
}

#[test]
fn values_outlive_a_restart_and_one_host_has_the_file() {
    let host = Plugins::new().fixture("ledger").tasks_in_file().start();
    run(&host, "ledger", json!([{"do": "set", "key": "k", "value": "v"}, {"do": "increment", "key": "n", "by": 5}]));
    let host = host.restart();
    assert_eq!(run(&host, "ledger", json!([{"do": "get-many", "keys": ["k", "n"]}])), [json!(["v", "5"])]);
}

/// A host in a process of its own, over files that outlive it.
struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(config: &Path) -> Self {
        let command = Command::new(binary()).args(["stdio", "--config"]).arg(config).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = command.unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// Sends calls, one after the other, and waits for none.
    fn send(&mut self, steps: impl Iterator<Item = Value>) {
        let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
        let input = self.child.stdin.as_mut().unwrap();
        for (id, step) in steps.enumerate() {
            let params = json!({"_meta": meta, "name": "ledger_run", "arguments": {"steps": [step]}});
            let message = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
            input.write_all(format!("{message}\n").as_bytes()).unwrap();
        }
    }

    fn said(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        answer["result"]["structuredContent"]["said"][0].clone()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn f17_kill_9_during_kv_write() {
    const BYTES: usize = 50_000;
    let plugins = Plugins::new().fixture("ledger");
    let config = plugins.scratch().join("host.toml");
    fs::write(&config, "[listen]\nhttp = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n").unwrap();
    let value = |n: usize| char::from(b'a' + u8::try_from(n % 26).unwrap()).to_string().repeat(BYTES);
    let write = |n: usize| json!({"do": "set", "key": "k", "value": value(n)});
    let mut known = Value::Null;
    for round in 0..20 {
        let mut host = Process::start(&config);
        host.send(std::iter::once(json!({"do": "get", "key": "k"})));
        let found = host.said();
        let whole = (0..26).any(|n| found == value(n)) || (round == 0 && found == Value::Null);
        assert!(whole, "round {round}: {} bytes", found.as_str().map_or(0, str::len));
        assert!(known.is_null() || !found.is_null(), "round {round}: what was there is gone");
        // One has been answered, and so it is there; the others are on their way.
        host.send((0..8 + round).map(|n| write(round * 7 + n)));
        assert_eq!(host.said(), true);
        known = found;
        host.kill();
    }
}
