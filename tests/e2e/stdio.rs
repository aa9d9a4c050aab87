//! MCP on standard input and output, in a process of its own.

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use tests::host::{Plugins, binary};

struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    _plugins: Plugins,
}

impl Process {
    fn start(plugins: Plugins) -> Self {
        let config = plugins.write_config();
        let command = Command::new(binary()).arg("stdio").arg("--config").arg(config).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = command.unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output, _plugins: plugins }
    }

    fn send(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(line.as_bytes()).unwrap();
        input.write_all(b"\n").unwrap();
    }

    fn read(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    fn ask(&mut self, message: &Value) -> Value {
        self.send(&message.to_string());
        self.read()
    }

    /// Closes the input; the process has to end by itself.
    fn end(mut self) -> (Vec<Value>, Option<i32>) {
        drop(self.input.take());
        let mut rest = Vec::new();
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            rest.push(serde_json::from_str(&line).unwrap());
            line.clear();
        }
        (rest, self.child.wait().unwrap().code())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn modern(id: u32, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

#[test]
fn both_eras_in_one_process() {
    let mut process = Process::start(Plugins::new().wat("echo-bare"));
    let discovered = process.ask(&modern(1, "server/discover", json!({})));
    assert_eq!(discovered["result"]["supportedVersions"], json!(["2026-07-28"]));
    // Clients that get an answer which they do not understand fall back in the same process.
    assert_eq!(process.ask(&modern(2, "nope", json!({})))["error"]["code"], -32601);
    let early = process.ask(&json!({"jsonrpc": "2.0", "id": 3, "method": "tools/list"}));
    assert_eq!(early["error"]["code"], -32602);
    let params = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let initialized = process.ask(&json!({"jsonrpc": "2.0", "id": 4, "method": "initialize", "params": params}));
    assert_eq!(initialized["result"]["protocolVersion"], "2025-06-18");
    process.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    let call = json!({"name": "echo-bare_echo", "arguments": {"text": "old"}});
    let old = process.ask(&json!({"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": call}));
    assert_eq!((&old["result"]["content"][0]["text"], old["result"].get("resultType")), (&json!("old"), None));
    let new = process.ask(&modern(6, "tools/call", json!({"name": "echo-bare_echo", "arguments": {"text": "new"}})));
    assert_eq!((&new["result"]["content"][0]["text"], &new["result"]["resultType"]), (&json!("new"), &json!("complete")));
    assert_eq!(process.end(), (vec![], Some(0)));
}

#[test]
fn what_is_no_message_is_answered_and_survived() {
    let mut process = Process::start(Plugins::new().wat("echo-bare").limits(|limits| limits.body_bytes_max = 1 << 20));
    for (line, code) in [
        ("{", -32700),
        ("[]", -32600),
        ("{}", -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"id":1,"method":"ping"}"#, -32600),
    ] {
        process.send(line);
        assert_eq!(process.read()["error"]["code"], code, "{line}");
    }
    process.send(&"[".repeat(100_000));
    assert_eq!(process.read()["error"]["code"], -32700);
    process.send(&format!("\"{}\"", "x".repeat(2 << 20)));
    assert_eq!(process.read()["error"]["code"], -32600);
    process.send("\r");
    process.send(r#"{"jsonrpc":"2.0","method":"notifications/whatever"}"#);
    assert_eq!(process.ask(&json!({"jsonrpc": "2.0", "id": "p", "method": "ping"}))["result"], json!({}));
    assert_eq!(process.end(), (vec![], Some(0)));
}

#[test]
fn requests_before_the_end_of_input_are_answered() {
    let mut process = Process::start(Plugins::new().wat("echo-bare"));
    for id in 0..100 {
        process.send(&modern(id, "tools/call", json!({"name": "echo-bare_echo", "arguments": {"text": format!("{id}")}})).to_string());
    }
    let (answers, code) = process.end();
    assert_eq!((answers.len(), code), (100, Some(0)));
    for answer in answers {
        assert_eq!(answer["result"]["content"][0]["text"], answer["id"].to_string());
    }
}

#[test]
fn a_cancelled_request_is_not_answered_and_holds_nobody_up() {
    let plugins = Plugins::new().guest("hostile").wat("echo-bare").limits(|limits| {
        limits.cpu_time_max = std::time::Duration::from_secs(10);
        limits.wall_time_max = std::time::Duration::from_secs(20);
    });
    let mut process = Process::start(plugins);
    process.send(&modern(7, "tools/call", json!({"name": "hostile_loop_forever", "arguments": {}})).to_string());
    assert_eq!(process.ask(&modern(8, "tools/call", json!({"name": "echo-bare_echo", "arguments": {"text": "a"}})))["id"], 8);
    process.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#);
    process.send(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"unknown"}}"#);
    assert_eq!(process.end(), (vec![], Some(0)));
}
