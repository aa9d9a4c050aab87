//! The binary as a process: start, signals, exit code.

use serde_json::json;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use tests::client;
use tests::events::EventStream;
use tests::host::{Plugins, binary};

struct Process {
    child: Child,
    address: SocketAddr,
    admin: SocketAddr,
    banner: String,
    _plugins: Plugins,
}

fn start(plugins: Plugins) -> Process {
    let config = plugins.write_config();
    let mut child = Command::new(binary()).arg("serve").arg("--config").arg(config).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut banner = String::new();
    let address = |text: &str| text.split("http://").nth(1).unwrap().split('/').next().unwrap().parse::<SocketAddr>().unwrap();
    let (mut http, mut admin) = (None, None);
    // The snippet for `.mcp.json` is the last thing that is printed.
    while !banner.contains("mcpServers") {
        let line = lines.next().expect("the host ended").unwrap();
        if line.starts_with("MCP ") {
            http = Some(address(&line));
        } else if line.starts_with("health ") {
            admin = Some(address(&line));
        }
        banner.push_str(&line);
        banner.push('\n');
    }
    Process { child, address: http.unwrap(), admin: admin.unwrap(), banner, _plugins: plugins }
}

impl Process {
    fn signal(&self) {
        let sent = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(address: SocketAddr, path: &str) -> u16 {
    client::raw(address, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).status
}

#[test]
fn the_banner_says_how_to_connect() {
    let process = start(Plugins::new().wat("echo-bare").wat("bad-schema"));
    let url = format!("http://{}/mcp", process.address);
    assert!(process.banner.contains(&format!("claude mcp add --transport http cofferdam {url}")), "{}", process.banner);
    assert!(process.banner.contains("echo-bare_echo") && process.banner.contains("REFUSED"), "{}", process.banner);
    assert_eq!((get(process.admin, "/healthz"), get(process.admin, "/readyz"), get(process.admin, "/mcp")), (200, 200, 404));
}

#[test]
fn sigterm_answers_what_is_in_flight_and_ends() {
    let plugins = Plugins::new().guest("hostile").limits(|limits| {
        limits.cpu_time_max = std::time::Duration::from_millis(700);
        limits.wall_time_max = std::time::Duration::from_secs(5);
    });
    let mut process = start(plugins);
    let mut in_flight: Vec<TcpStream> = (0..8).map(|_| client::connect(process.address)).collect();
    let request = client::modern_text(&json!(1), "tools/call", json!({"name": "hostile_loop_forever", "arguments": {}}));
    for stream in &mut in_flight {
        stream.write_all(request.as_bytes()).unwrap();
    }
    let mut idle = client::connect(process.address);
    idle.write_all(client::modern_text(&json!(1), "tools/list", json!({})).as_bytes()).unwrap();
    assert_eq!(client::read(&mut idle).status, 200);
    process.signal();
    // The idle connection is closed without a word, and the running ones are answered in full.
    assert_eq!(idle.read(&mut [0; 16]).unwrap(), 0);
    for stream in &mut in_flight {
        assert_eq!(client::read(stream).code(), 1003);
    }
    assert_eq!(process.child.wait().unwrap().code(), Some(0));
    assert!(TcpStream::connect(process.address).is_err());
}

#[test]
fn sigterm_does_not_wait_for_a_client_that_does_not_send() {
    let plugins = Plugins::new().wat("echo-bare").limits(|limits| limits.drain_time_max = std::time::Duration::from_millis(200));
    let mut process = start(plugins);
    let mut half = client::connect(process.address);
    half.write_all(b"POST /mcp HTTP/1.1\r\nHost: loc").unwrap();
    process.signal();
    assert_eq!(process.child.wait().unwrap().code(), Some(0));
}

#[test]
fn sigterm_does_not_wait_for_clients_that_only_listen() {
    let plugins = Plugins::new().wat("echo-bare").limits(|limits| limits.drain_time_max = std::time::Duration::from_secs(600));
    let mut process = start(plugins);
    let initialize = tests::session::initialize("2025-11-25", json!({})).to_string();
    let answer = client::raw(process.address, client::post_text("", &initialize).as_bytes());
    let session = answer.header("mcp-session-id").unwrap();
    let get = format!("GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nMcp-Session-Id: {session}\r\n\r\n");
    let listen = client::modern_text(&json!(7), "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    let (mut own, mut subscription) = (EventStream::open(process.address, &get), EventStream::open(process.address, &listen));
    assert_eq!(subscription.message()["method"], "notifications/subscriptions/acknowledged");
    process.signal();
    assert_eq!((own.next_message(), subscription.message()["id"].as_u64()), (None, Some(7)));
    assert_eq!((subscription.next_event(), process.child.wait().unwrap().code()), (None, Some(0)));
}

#[test]
fn port_in_use_is_one_clear_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let plugins = Plugins::new();
    let config = plugins.write_config();
    let text = std::fs::read_to_string(&config).unwrap().replacen("127.0.0.1:0", &taken.local_addr().unwrap().to_string(), 1);
    std::fs::write(&config, text).unwrap();
    let output = Command::new(binary()).arg("serve").arg("--config").arg(config).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), error.lines().count()), (Some(1), 1), "{error}");
    assert!(error.contains("cannot listen on 127.0.0.1:") && error.contains("[listen]"), "{error}");
}
