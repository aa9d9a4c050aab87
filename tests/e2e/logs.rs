//! The bundled `logs` plugin, from its own manifest, over a folder in which the test writes.

use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tests::client;
use tests::host::{Plugins, TestHost, guest};
use tests::socket::Socket;

struct Logs {
    host: TestHost,
    folder: PathBuf,
}

impl Logs {
    fn start(files: &[(&str, &str)]) -> Self {
        let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/logs/plugin.toml")).unwrap();
        let plugins =
            Plugins::new().with_manifest("logs", &guest("logs"), &manifest).folder("logs", false).secret("logs-alerts", "unused", false);
        let folder = plugins.scratch().join("folders/logs");
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
        Self { host: plugins.start(), folder }
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.folder.join(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn query(&self, tool: &str, arguments: Value) -> Value {
        let answer = client::call(self.host.address, tool, arguments);
        assert_eq!((answer.status, answer.json()["result"].get("isError")), (200, None), "{answer:?}");
        answer.json()["result"]["structuredContent"].clone()
    }

    fn texts(&self, tool: &str, arguments: Value) -> Vec<String> {
        let lines = self.query(tool, arguments)["lines"].clone();
        lines.as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    }

    /// Listens, and returns when the feed is running: it begins at the end of the files, so what is written until then may not be told.
    fn listen(&self, filters: Value) -> Socket {
        let mut socket = Socket::open(self.host.address);
        socket.subscribe("s", "logs/lines", filters);
        socket
    }

    /// Writes lines until the first of them is told.
    fn listen_and_wait(&self, filters: Value, name: &str, line: &str) -> Socket {
        let mut socket = self.listen(filters);
        let (heard, waits) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // The feed begins at the end of the files, whenever that is.
                while waits.recv_timeout(Duration::from_millis(100)).is_err() {
                    self.append(name, line);
                }
            });
            let first = socket.receive();
            heard.send(()).unwrap();
            assert_eq!(first["event"]["data"]["text"], line.trim_end(), "{first}");
        });
        socket
    }
}

/// The next event whose text is not this one.
fn next_but(socket: &mut Socket, line: &str) -> Value {
    loop {
        let message = socket.receive();
        let event = &message["event"];
        assert_eq!(event["topic"], "logs/lines", "{message}");
        if event["data"]["text"] != line {
            return event.clone();
        }
    }
}

#[test]
fn lines_are_told_as_they_are_written_whatever_rotates_the_files() {
    let logs = Logs::start(&[("app.log", "INFO before anybody listened\n")]);
    let filters = json!({"severity": ["error", "critical"], "pattern": "(?i)disk|ready"});
    let mut socket = logs.listen_and_wait(filters, "app.log", "ERROR ready\n");
    logs.append("app.log", "INFO disk is fine\nERROR something else\n2026-07-28T09:30:00Z ERROR Disk is full\n");
    let event = next_but(&mut socket, "ERROR ready");
    assert_eq!((&event["source"], &event["severity"], &event["type"]), (&json!("app.log"), &json!("error"), &json!("line")));
    assert_eq!(
        (&event["data"]["text"], &event["data"]["time"]),
        (&json!("2026-07-28T09:30:00Z ERROR Disk is full"), &json!("2026-07-28T09:30:00.000Z"))
    );
    std::fs::rename(logs.folder.join("app.log"), logs.folder.join("app.log.1")).unwrap();
    logs.append("app.log.1", "FATAL disk: last words\n");
    logs.append("app.log", "FATAL disk: first words\n");
    let mut told = [next_but(&mut socket, ""), next_but(&mut socket, "")].map(|event| event["data"].clone());
    told.sort_by_key(|data| data["file"].to_string());
    assert_eq!((&told[0]["text"], &told[0]["line"]), (&json!("FATAL disk: first words"), &json!(1)));
    assert_eq!((&told[1]["text"], &told[1]["file"]), (&json!("FATAL disk: last words"), &json!("app.log.1")));
    // What an event names is where the lines around it are.
    let around = json!({"file": "app.log.1", "offset": event["data"]["offset"], "before": 1, "after": 1});
    let expected = ["ERROR something else", "2026-07-28T09:30:00Z ERROR Disk is full", "FATAL disk: last words"];
    assert_eq!(logs.texts("logs_around", around), expected);
}

#[test]
fn one_source_of_several_can_be_followed() {
    let logs = Logs::start(&[("a.log", ""), ("b.log", "")]);
    let mut socket = logs.listen_and_wait(json!({"source": "b.log"}), "b.log", "ready\n");
    logs.append("a.log", "not this\n");
    logs.append("b.log", "{\"level\":\"warn\",\"msg\":\"this\",\"time\":\"2026-07-28T09:30:00Z\"}\n");
    let event = next_but(&mut socket, "ready");
    assert_eq!((&event["source"], &event["severity"]), (&json!("b.log"), &json!("warning")));
}

#[test]
fn recent_lines_are_found_by_severity_and_pattern() {
    let large = (1..=100_000).map(|n| format!("2026-07-28T08:00:00Z INFO line {n}\n")).collect::<String>();
    let app = "2026-07-28T09:00:00Z ERROR boom\n    at main\n2026-07-28T09:00:01Z INFO well\n";
    let logs = Logs::start(&[("app.log", app), ("large.log", &large), ("old.log.gz", "no text"), (".hidden", "ERROR hidden\n")]);
    assert_eq!(logs.texts("logs_recent", json!({"severity": ["error"]})), ["2026-07-28T09:00:00Z ERROR boom", "    at main"]);
    assert_eq!(logs.texts("logs_recent", json!({"pattern": "line 9999[89]$"})).len(), 2);
    assert_eq!(logs.texts("logs_recent", json!({"limit": 1})), ["2026-07-28T09:00:01Z INFO well"]);
    let lines = logs.query("logs_around", json!({"file": "large.log", "line": 50_000, "before": 0, "after": 0}));
    assert_eq!((&lines["lines"][0]["text"], &lines["lines"][0]["line"]), (&json!("2026-07-28T08:00:00Z INFO line 50000"), &json!(50_000)));
    let files = logs.query("logs_files", json!({}));
    let mut names: Vec<_> = files["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["app.log", "large.log"]);
    for (tool, arguments) in [
        ("logs_recent", json!({"file": "../secret"})),
        ("logs_recent", json!({"pattern": "("})),
        ("logs_around", json!({"file": "app.log", "line": 99})),
    ] {
        let answer = client::call(logs.host.address, tool, arguments);
        assert!(answer.json()["result"]["isError"] == true || answer.json().get("error").is_some(), "{answer:?}");
    }
}
