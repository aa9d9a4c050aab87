//! Packages that are not what they seem: what a plugins folder may have in it, and what becomes of it. Case numbers are the catalogue's.

use cofferdam::registry::State;
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use tests::client;
use tests::host::{Plugins, TestHost, guest, target};
use tests::wat;

/// A folder with one good plugin, and where it is.
fn with_good() -> (Plugins, PathBuf) {
    let plugins = Plugins::new().bare("good", &wat::component("echo-bare"));
    let folder = plugins.scratch().join("plugins");
    (plugins, folder)
}

/// Whatever is in the folder, the good plugin answers.
fn good_answers(host: &TestHost) {
    assert_eq!(client::call(host.address, "good_echo", json!({"text": "hi"})).text(), "hi");
}

fn loaded(host: &TestHost) -> Vec<&str> {
    let loaded = host.reports.iter().filter(|report| matches!(report.state, State::Loaded { .. }));
    loaded.map(|report| report.name.as_str()).collect()
}

fn names(host: &TestHost) -> Vec<&str> {
    host.reports.iter().map(|report| report.name.as_str()).collect()
}

#[test]
fn m03_same_plugin_twice() {
    let echo = wat::component("echo-bare");
    let host = Plugins::new()
        .with_manifest("good", &echo, "name = \"good\"\n")
        .bare("good", &echo)
        .bare("Good", &echo)
        .bare("go\u{301}od", &echo)
        .bare("g\u{f6}od", &echo)
        .bare("g\u{43e}od", &echo)
        .with_manifest("GOOD", &echo, "name = \"good\"\n")
        .start();
    assert_eq!(loaded(&host), ["good"]);
    assert_eq!(host.refusal("good.wasm"), "there is a folder \"good\" already");
    assert!(host.refusal("Good").contains("is not a plugin name"), "{}", host.refusal("Good"));
    assert!(host.refusal("GOOD").contains("make them the same"), "{}", host.refusal("GOOD"));
    good_answers(&host);
}

#[test]
fn m04_same_tool_in_two_plugins() {
    let echo = wat::component("echo-bare");
    let host = Plugins::new()
        .with_manifest("a", &echo, "name = \"a\"\nprefix = \"good_\"\n")
        .with_manifest("good", &echo, "name = \"good\"\n")
        .with_manifest("other", &echo, "name = \"other\"\n")
        .start();
    assert_eq!(loaded(&host), ["a", "other"]);
    let reason = host.refusal("good");
    assert!(reason.contains("its tool \"good_echo\" is offered by the plugin a already") && reason.contains("`prefix`"), "{reason}");
    good_answers(&host);
}

#[test]
fn m05_plugin_name_tricks() {
    let echo = wat::component("echo-bare");
    let (mut plugins, folder) = with_good();
    let long = "a".repeat(49);
    let tricks = ["-a", "9a", "a b", "a_b", "a.b", "A", "a\u{202e}b", "a\nb", "a\u{1b}[31m", "a%2fb", "a\\b", "~", "..a", "", &long];
    for name in tricks.iter().filter(|name| !name.starts_with('.')) {
        plugins = plugins.bare(name, &echo);
    }
    for (at, name) in ["..", "../good", "/etc", "good/../good", "\\u0000", ".hidden", "Good", &"a".repeat(300), ""].iter().enumerate() {
        plugins = plugins.with_manifest(&format!("trick-{at}"), &echo, &format!("name = \"{name}\"\n"));
    }
    fs::create_dir(folder.join(".hidden")).unwrap();
    fs::write(folder.join(".hidden/plugin.toml"), "name = \"good\"\n").unwrap();
    let host = plugins.start();
    assert_eq!(loaded(&host), ["good"]);
    for report in &host.reports {
        let State::Refused { reason } = &report.state else { continue };
        assert!(reason.contains("plugin name") || reason.contains("\"name\" must be"), "{reason}");
        assert!(!reason.contains(['\u{1b}', '\u{202e}', '\0']), "{reason:?}");
    }
    assert!(!names(&host).contains(&".hidden"));
    good_answers(&host);
}

#[test]
fn m06_component_path_escape() {
    let (mut plugins, folder) = with_good();
    let outside = plugins.scratch().join("outside.wasm");
    fs::write(&outside, wat::component("echo-bare")).unwrap();
    let absolute = outside.display().to_string();
    let paths = [
        "../outside.wasm",
        "../../outside.wasm",
        "x/../../../outside.wasm",
        absolute.as_str(),
        "file:///outside.wasm",
        "https://example.com/a.wasm",
        "..\\\\outside.wasm",
        "./a.wasm",
        "C:/a.wasm",
    ];
    for (at, path) in paths.iter().enumerate() {
        plugins = plugins.with_manifest(&format!("escape-{at}"), b"", &format!("name = \"escape-{at}\"\ncomponent = \"{path}\"\n"));
    }
    let host = plugins.start();
    assert_eq!((loaded(&host), host.reports.len()), (vec!["good"], paths.len() + 1));
    for at in 0..paths.len() {
        let reason = host.refusal(&format!("escape-{at}"));
        assert!(reason.contains("plugin.toml:2:13: \"component\" must be a path inside the plugin's folder"), "{reason}");
    }
    assert!(folder.join("escape-0").exists());
    good_answers(&host);
}

#[test]
fn m07_symlink_out() {
    let echo = wat::component("echo-bare");
    let (plugins, folder) = with_good();
    let outside = plugins.scratch().join("outside");
    fs::create_dir_all(outside.join("wit")).unwrap();
    fs::write(outside.join("a.wasm"), &echo).unwrap();
    fs::write(outside.join("plugin.toml"), "name = \"whole\"\ncomponent = \"a.wasm\"\n").unwrap();
    let manifest = |name: &str| format!("name = \"{name}\"\n");
    let plugins = plugins
        .with_manifest("component", b"", &manifest("component"))
        .with_manifest("below", b"", "name = \"below\"\ncomponent = \"to/a.wasm\"\n")
        .with_manifest("manifest", &echo, "")
        .with_manifest("looped", b"", &manifest("looped"))
        .with_manifest("inside", &echo, "name = \"inside\"\ncomponent = \"link.wasm\"\n");
    let replaced = |path: &str, to: &std::path::Path| {
        let path = folder.join(path);
        let _ = fs::remove_file(&path);
        symlink(to, &path).unwrap();
    };
    // The component, a folder on the way to it, the manifest, the plugin's whole folder, a bare component.
    replaced("component/component.wasm", &outside.join("a.wasm"));
    replaced("below/to", &outside);
    replaced("manifest/plugin.toml", &outside.join("plugin.toml"));
    replaced("whole", &outside);
    replaced("bare.wasm", &outside.join("a.wasm"));
    // Links that lead to themselves, and in a circle.
    replaced("looped/looped.wasm", &folder.join("looped/looped.wasm"));
    replaced("self.wasm", &folder.join("self.wasm"));
    replaced("one", &folder.join("two"));
    replaced("two", &folder.join("one"));
    replaced("here.wasm", std::path::Path::new("."));
    // One that stays in the plugin's folder leads nowhere else.
    replaced("inside/link.wasm", std::path::Path::new("inside.wasm"));
    let host = plugins.start();
    assert_eq!(loaded(&host), ["good", "inside"]);
    for (plugin, part) in [
        ("component", "leads out of the plugin's folder"),
        ("below", "leads out of the plugin's folder"),
        ("manifest", "leads out of the plugin's folder"),
        ("whole", "leads out of the plugins folder"),
        ("bare", "leads out of the plugins folder"),
        ("looped", "symbolic links"),
        ("self", "symbolic links"),
        ("here", "not a regular file"),
    ] {
        assert!(host.refusal(plugin).contains(part), "{plugin}: {}", host.refusal(plugin));
    }
    good_answers(&host);
}

#[test]
fn m07_pipes_and_sockets_do_not_hang() {
    let (plugins, folder) = with_good();
    let plugins = plugins.with_manifest("piped", b"", "name = \"piped\"\n");
    fs::remove_file(folder.join("piped/piped.wasm")).unwrap();
    fs::create_dir(folder.join("piped-manifest")).unwrap();
    for pipe in ["pipe.wasm", "piped/piped.wasm", "piped-manifest/plugin.toml"] {
        assert!(std::process::Command::new("mkfifo").arg(folder.join(pipe)).status().unwrap().success());
    }
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket.wasm")).unwrap();
    let host = plugins.start();
    for plugin in ["pipe", "piped", "piped-manifest", "socket"] {
        assert!(host.refusal(plugin).contains("not a regular file"), "{plugin}: {}", host.refusal(plugin));
    }
    good_answers(&host);
}

#[test]
fn m12_limits_over_operator() {
    let manifest = "name = \"good\"\n[limits]\nmemory = \"1GiB\"\ntimeout = \"10s\"\n";
    let host = Plugins::new().with_manifest("good", &wat::component("echo-bare"), manifest).start();
    let State::Loaded { limits, .. } = host.state("good") else { panic!("{:?}", host.state("good")) };
    let shown: Vec<_> = limits.iter().map(ToString::to_string).collect();
    assert!(shown.contains(&"memory 64MiB (operator, manifest asks 1GiB)".to_owned()), "{shown:?}");
    assert!(shown.contains(&"timeout 10s (manifest)".to_owned()), "{shown:?}");
    assert!(shown.contains(&"cpu 1s (operator)".to_owned()), "{shown:?}");
    assert_eq!(limits.iter().filter(|limit| limit.is_lowered()).count(), 1);
    good_answers(&host);
}

#[test]
fn m13_huge_or_deep_toml() {
    let (plugins, _) = with_good();
    let name = "name = \"huge\"\n";
    let host = plugins
        .with_manifest("huge", b"", &format!("{name}#{}", "x".repeat(10 << 20)))
        .with_manifest("deep", b"", &format!("name = {}", "[".repeat(10_000)))
        .with_manifest("wide", b"", &"a = 1\n".repeat(30_000))
        .with_manifest("dotted", b"", &format!("[{}a]\n", "a.".repeat(100_000)))
        .start();
    assert!(host.refusal("huge").contains("manifest_bytes_max"), "{}", host.refusal("huge"));
    assert!(host.refusal("deep").contains("brackets within brackets"), "{}", host.refusal("deep"));
    assert!(host.refusal("wide").contains("is written twice"), "{}", host.refusal("wide"));
    assert!(host.refusal("dotted").contains("not valid TOML"), "{}", host.refusal("dotted"));
    good_answers(&host);
}

#[test]
fn m14_missing_export() {
    let (plugins, _) = with_good();
    let newer_export = wat::component_of("newer-export", NEWER_EXPORT);
    let handle = "handle: func(context: context, name: string, parameters: json) -> result<outcome, failure>";
    let wrong_query = wat::component_against(WRONG_QUERY, "handlers.wit", handle, "handle: func(name: string) -> string");
    let wrong_import = wat::component_against(WRONG_IMPORT, "imports.wit", "now-ms: func() -> f64", "now-ms: func(zone: string) -> f64");
    let host = plugins
        .wat("catalog-only")
        .wat("newer-contract")
        .bare("newer-export", &newer_export)
        .bare("wrong-query", &wrong_query)
        .bare("wrong-import", &wrong_import)
        .start();
    assert_eq!(loaded(&host), ["good"]);
    for (plugin, parts) in [
        ("catalog-only", &["lists query operations", "does not export cofferdam:mcp/query"][..]),
        ("newer-contract", &["imports cofferdam:mcp/host@0.2.0", "cofferdam:mcp@0.1.x"]),
        ("newer-export", &["exports cofferdam:mcp/catalog@0.2.0", "cofferdam:mcp@0.1.x"]),
        ("wrong-query", &["cofferdam:mcp/query@0.1.0", "handle", "func(name: string) -> string", "func(context: record"]),
        ("wrong-import", &["cofferdam:mcp/host@0.1.0", "now-ms", "func(zone: string) -> f64", "func() -> f64"]),
    ] {
        for part in parts {
            assert!(host.refusal(plugin).contains(part), "{plugin}: {part}: {}", host.refusal(plugin));
        }
    }
    good_answers(&host);
}

/// Exports a catalog of a contract that is newer than the host's.
const NEWER_EXPORT: &str = r#";; wit: world fixture { export cofferdam:mcp/catalog@0.2.0; }
;; wit: package cofferdam:mcp@0.2.0 { interface catalog { describe: func() -> string; } }
(module
  ;; include: base
  (func (export "cofferdam:mcp/catalog@0.2.0#describe") (result i32) (i32.const 0x10))
)"#;

/// Exports a `query` whose function takes something else.
const WRONG_QUERY: &str = r#";; world: query-plugin
(module
  ;; include: base
  ;; include: describe
  (func (export "cofferdam:mcp/query@0.1.0#handle") (param i32 i32) (result i32) (i32.const 0x10))
)"#;

/// Imports a function of `host` that takes something else.
const WRONG_IMPORT: &str = r#";; world: query-plugin
(module
  (import "cofferdam:mcp/host@0.1.0" "now-ms" (func (param i32 i32) (result f64)))
  ;; include: base
  ;; include: describe
  ;; include: handle
)"#;

/// A plugin for each schema, whether it is loaded, and what is said if not.
fn with_schemas(schemas: &[(&str, String)]) -> TestHost {
    let (plugins, _) = with_good();
    let add = |plugins: Plugins, (name, schema): &(&str, String)| plugins.bare(name, &wat::describing(schema, "Says it"));
    schemas.iter().fold(plugins, add).start()
}

#[test]
fn m15_schema_external_ref() {
    let with_ref = |reference: &str| json!({"type": "object", "properties": {"a": {"$ref": reference}}}).to_string();
    // Whoever fetches it is seen here.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/schema.json", listener.local_addr().unwrap());
    let host = with_schemas(&[
        ("http", with_ref(&url)),
        ("file", with_ref("file:///etc/passwd")),
        ("path", with_ref("/etc/passwd")),
        ("relative", with_ref("other.json")),
        ("urn", with_ref("urn:uuid:0b0b")),
        ("dynamic", json!({"type": "object", "$dynamicRef": url}).to_string()),
        ("dialect", json!({"type": "object", "$schema": url}).to_string()),
        ("inside", json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"type": "string"}}}).to_string()),
    ]);
    assert_eq!(loaded(&host), ["good", "inside"]);
    for plugin in ["http", "file", "path", "relative", "urn", "dynamic"] {
        assert!(host.refusal(plugin).contains("points outside of the schema"), "{plugin}: {}", host.refusal(plugin));
    }
    assert!(host.refusal("dialect").contains("not a valid JSON Schema"), "{}", host.refusal("dialect"));
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    good_answers(&host);
}

#[test]
fn m16_schema_bomb() {
    // Each level asks twice for the next: 2^40 questions about one value.
    let doubling = |what: &str| {
        let level = |at: usize| json!({what: [{"$ref": format!("#/$defs/l{}", at + 1)}, {"$ref": format!("#/$defs/l{}", at + 1)}]});
        let mut defs: serde_json::Map<String, serde_json::Value> = (0..40).map(|at| (format!("l{at}"), level(at))).collect();
        defs.insert("l40".to_owned(), json!({"type": "object", "required": ["never"]}));
        json!({"type": "object", "$ref": "#/$defs/l0", "$defs": defs}).to_string()
    };
    let many: serde_json::Map<String, serde_json::Value> = (0..2_000).map(|at| (format!("p{at}"), json!({"type": "string"}))).collect();
    let node = json!({"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}});
    let twice = json!({"properties": {"x": {"allOf": [{"$ref": "#/$defs/node"}, {"$ref": "#/$defs/node"}]}}});
    let deep = format!("{{\"type\":\"object\",\"not\":{}{{}}{}}}", "{\"not\":".repeat(5_000), "}".repeat(5_000));
    let host = with_schemas(&[
        ("all-of", doubling("allOf")),
        ("any-of", doubling("anyOf")),
        ("one-of", doubling("oneOf")),
        ("deep", deep),
        ("itself", json!({"type": "object", "$ref": "#"}).to_string()),
        ("circle", json!({"type": "object", "allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}}).to_string()),
        ("wide", json!({"type": "object", "properties": many}).to_string()),
        ("recursive", json!({"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}, "$defs": {"node": node}}).to_string()),
        ("twice", json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/node"}}, "$defs": {"node": twice}}).to_string()),
    ]);
    assert_eq!(loaded(&host), ["good", "recursive", "twice", "wide"]);
    for plugin in ["all-of", "any-of", "one-of"] {
        assert!(host.refusal(plugin).contains("schema_steps_max"), "{plugin}: {}", host.refusal(plugin));
    }
    for plugin in ["itself", "circle"] {
        assert!(host.refusal(plugin).contains("refers to itself"), "{plugin}: {}", host.refusal(plugin));
    }
    // What doubles with every level of the arguments is harmless until somebody sends many levels; they are not looked at then.
    let nested = |levels: usize| (0..levels).fold(json!({}), |inner, _| json!({"x": inner}));
    assert_eq!(client::call(host.address, "twice_echo", nested(5)).text(), "echo");
    let refused = client::call(host.address, "twice_echo", nested(50));
    assert!(refused.text().contains("schema_steps_max") && refused.json()["result"]["isError"] == true, "{refused:?}");
    let list = (0..50).fold(json!({}), |inner, _| json!({"next": inner}));
    assert_eq!(client::call(host.address, "recursive_echo", list).text(), "echo");
    good_answers(&host);
}

#[test]
fn m17_schema_regex() {
    let with_pattern = |pattern: &str| json!({"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}}).to_string();
    let host = with_schemas(&[
        ("nested", with_pattern("^(a+)+$")),
        ("alternatives", with_pattern("^(a|a)*$")),
        ("counted", with_pattern("^(((a{1,100}){1,100}){1,100})$")),
        ("look-ahead", with_pattern("^(?=a)a$")),
        ("back-reference", with_pattern("^(a)\\1$")),
    ]);
    assert_eq!(loaded(&host), ["alternatives", "good", "nested"]);
    let long = format!("{}!", "a".repeat(100_000));
    for tool in ["nested_echo", "alternatives_echo"] {
        let answer = client::call(host.address, tool, json!({"a": long}));
        assert!(answer.json()["result"]["isError"] == true && answer.text().contains("\n/a: "), "{tool}: {answer:?}");
    }
    good_answers(&host);
}

#[test]
fn m18_x_mcp_header() {
    let with_header = |property: serde_json::Value| json!({"type": "object", "properties": {"a": property}}).to_string();
    let text = |header: &str| with_header(json!({"type": "string", "x-mcp-header": header}));
    let host = with_schemas(&[
        ("line-break", text("A\r\nEvil: 1")),
        ("empty", text("")),
        ("space", text("A B")),
        ("colon", text("A:B")),
        ("unicode", text("\u{c4}")),
        ("number", with_header(json!({"type": "number", "x-mcp-header": "A"}))),
        ("nested", with_header(json!({"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}))),
        (
            "twice",
            json!({"type": "object", "properties": {
                "a": {"type": "string", "x-mcp-header": "Same"}, "b": {"type": "string", "x-mcp-header": "same"}
            }})
            .to_string(),
        ),
        ("legal", text("Region")),
    ]);
    assert_eq!(loaded(&host), ["good", "legal"]);
    for report in host.reports.iter().filter(|report| !loaded(&host).contains(&report.name.as_str())) {
        let reason = host.refusal(&report.name);
        assert!(reason.contains("x-mcp-header") && !reason.contains(['\r', '\n']), "{reason:?}");
    }
    good_answers(&host);
}

#[test]
fn m19_not_a_component() {
    let whole = guest("greeter");
    let (mut plugins, folder) = with_good();
    // Code that some host of this machine has compiled: what a planted file would be.
    let compiled = compiled_code();
    plugins = plugins
        .bare("empty", b"")
        .bare("text", b"hello")
        .bare("script", b"#!/bin/sh\nexit 0\n")
        .bare("module", &wat::core_module("core-module"))
        .bare("magic", b"\0asm")
        .bare("header", b"\0asm\x0d\0\x01\0")
        .bare("future", b"\0asm\xff\xff\xff\xff")
        .bare("compiled", &compiled)
        .with_manifest("named", b"", "name = \"named\"\ncomponent = \"named.cwasm\"\n");
    for cut in (1_024..whole.len()).step_by(1_024 * (whole.len() / 1_024 / 40).max(1)) {
        plugins = plugins.bare(&format!("cut-{cut}"), &whole[..cut]);
    }
    fs::write(folder.join("beside.cwasm"), &compiled).unwrap();
    // 500 MB that take no room.
    fs::File::create(folder.join("sparse.wasm")).unwrap().set_len(500 << 20).unwrap();
    let host = plugins.start();
    assert_eq!(loaded(&host), ["good"]);
    assert!(host.refusal("compiled").contains("does not begin like WebAssembly"), "{}", host.refusal("compiled"));
    assert!(host.refusal("named").contains("ends in .wasm"), "{}", host.refusal("named"));
    assert!(host.refusal("sparse").contains("the file has 524288000 bytes; the limit is 33554432"), "{}", host.refusal("sparse"));
    assert!(!names(&host).contains(&"beside"));
    good_answers(&host);
}

fn compiled_code() -> Vec<u8> {
    // The good plugin of some test is there by now, or is made by this host.
    let first = Plugins::new().wat("echo-bare").start();
    drop(first);
    let folders = fs::read_dir(target().join("test-state/code")).unwrap().map(|entry| entry.unwrap().path());
    let mut files = folders.flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
    fs::read(files.find(|file| file.extension().is_some_and(|extension| extension == "cwasm")).unwrap()).unwrap()
}

#[test]
fn m20_description_tricks() {
    let schema = json!({"type": "object"}).to_string();
    let tricks = "Plain\u{202e}txt\u{1b}[31m red\u{7} \u{2066}hidden\u{2069}\u{feff}\r\nSecond line";
    let (plugins, _) = with_good();
    let host = plugins
        .bare("tricks", &wat::describing(&schema, tricks))
        .bare("long", &wat::describing(&schema, &"a".repeat(16 << 10)))
        .bare("longer", &wat::describing(&schema, &"a".repeat((16 << 10) + 1)))
        .wat("describe-huge")
        .start();
    assert_eq!(loaded(&host), ["good", "long", "tricks"]);
    for plugin in ["longer", "describe-huge"] {
        assert!(host.refusal(plugin).contains("description_bytes_max"), "{}", host.refusal(plugin));
    }
    let listed = client::modern(host.address, "tools/list", json!({}));
    let tools = listed.json()["result"]["tools"].clone();
    let tool = tools.as_array().unwrap().iter().find(|tool| tool["name"] == "tricks_echo").unwrap();
    let description = tool["description"].as_str().unwrap();
    assert!(description.starts_with("Plain\\u{202e}txt\\u{1b}[31m red\\u{7}") && description.ends_with("\nSecond line"), "{description:?}");
    let hidden = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    assert!(!description.contains(hidden), "{description:?}");
    good_answers(&host);
}

#[test]
fn m21_archives_are_not_accepted() {
    let (plugins, folder) = with_good();
    let zip = b"PK\x03\x04 ../../evil";
    for name in ["a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.7z", "a.tar.zst"] {
        fs::write(folder.join(name), zip).unwrap();
    }
    // An archive by another name is no component, and nothing looks into it.
    let host = plugins.bare("disguised", zip).start();
    assert_eq!(names(&host), ["disguised", "good"]);
    assert!(host.refusal("disguised").contains("does not begin like WebAssembly"), "{}", host.refusal("disguised"));
    let mut left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["a.7z", "a.tar", "a.tar.gz", "a.tar.zst", "a.tgz", "a.zip", "disguised.wasm", "good.wasm"]);
    good_answers(&host);
}

#[test]
fn m23_needs_grow() {
    // There is no reload yet: what a new build needs beyond its grants is refused when the host starts with it.
    let manifest = "name = \"tickets\"\n";
    let (plugins, folder) = with_good();
    let host = plugins.with_manifest("tickets", &wat::component("echo-bare"), manifest).database("main", "SELECT 1;").start();
    assert_eq!(loaded(&host), ["good", "tickets"]);
    fs::write(folder.join("tickets/tickets.wasm"), wat::component("imports-sql")).unwrap();
    // The one in force does not change under those who call it.
    assert_eq!(client::call(host.address, "tickets_echo", json!({"text": "old"})).text(), "old");
    let host = host.restart();
    assert_eq!(loaded(&host), ["good"]);
    assert!(host.refusal("tickets").contains("[grants.sql.main]"), "{}", host.refusal("tickets"));
    good_answers(&host);
    fs::write(folder.join("tickets/plugin.toml"), format!("{manifest}[grants.sql.main]\naccess = \"read\"\n")).unwrap();
    let host = host.restart();
    assert_eq!(loaded(&host), ["good", "tickets"]);
}
