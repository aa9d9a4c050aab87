//! Answers that are given more than once: joined, kept, stale, and gathered. The guests ask an upstream of the test's, which counts, and
//! waits when the test wants it to.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tests::host::{Plugins, TestHost, guest};
use tests::session::{Session, tool_call};
use tests::upstream::{Upstream, response};
use tests::{client, stateless};
use tokio::task::JoinHandle;

/// What the upstream does.
#[derive(Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    open: bool,
    /// Requests so far, those that wait included.
    seen: usize,
    status: &'static str,
    body: &'static str,
}

impl Default for State {
    fn default() -> Self {
        Self { open: true, seen: 0, status: "200 OK", body: "answer" }
    }
}

impl Gate {
    /// Requests of paths with `now` do not wait.
    fn pass(&self, request: &str) -> String {
        let mut state = self.state.lock().unwrap();
        let waits = !request.starts_with("GET /now");
        if waits {
            state.seen += 1;
        }
        let number = state.seen;
        self.changed.notify_all();
        let state = self.changed.wait_while(state, |state| waits && !state.open).unwrap();
        response(state.status, "", &format!("{} {number}", state.body))
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn seen(&self) -> usize {
        self.state.lock().unwrap().seen
    }

    /// Waits until so many requests have come.
    fn wait_for(&self, seen: usize) {
        let state = self.state.lock().unwrap();
        let waited = self.changed.wait_timeout_while(state, Duration::from_secs(30), |state| state.seen < seen).unwrap();
        assert!(!waited.1.timed_out(), "only {} requests came", waited.0.seen);
    }
}

struct Bench {
    host: TestHost,
    gate: Arc<Gate>,
    port: u16,
    plugin: &'static str,
}

impl Bench {
    fn new(plugin: &'static str, manifest: &str, change: impl FnOnce(Plugins) -> Plugins) -> Self {
        let gate = Arc::<Gate>::default();
        let plugins = Plugins::new();
        let ca = plugins.scratch().join("ca.pem");
        let answers = Arc::clone(&gate);
        let upstream = Upstream::start("api.example.com", &ca, move |request| answers.pass(request));
        let port = upstream.port;
        let manifest = format!("name = \"{plugin}\"\n{manifest}[grants.http]\nallow = [\"GET https://api.example.com:{port}\"]\n");
        let plugins = plugins
            .with_manifest(plugin, &guest(plugin), &manifest)
            .egress(|egress| {
                egress.private = vec!["127.0.0.1/32".parse().unwrap()];
                egress.ca = Some(ca);
            })
            .limits(|limits| {
                limits.http_head_time_max = Duration::from_secs(60);
                limits.http_time_max = Duration::from_secs(60);
                limits.wall_time_max = Duration::from_secs(60);
                limits.plain_answer_max = Duration::from_secs(60);
                limits.h2_streams_max = 2_000;
            });
        Self { host: change(plugins).start(), gate, port, plugin }
    }

    fn teller(manifest: &str) -> Self {
        Self::new("teller", manifest, |plugins| plugins)
    }

    fn url(&self, path: &str) -> String {
        format!("https://api.example.com:{}/{path}", self.port)
    }

    fn arguments(&self, path: &str) -> Value {
        json!({ "url": self.url(path) })
    }

    fn tool(&self, operation: &str) -> String {
        format!("{}_{operation}", self.plugin)
    }

    /// The text of an answer.
    fn ask(&self, operation: &str, path: &str) -> String {
        client::call(self.host.address, &self.tool(operation), self.arguments(path)).text()
    }
}

/// A connection with many requests on it.
struct Streams {
    sender: http2::SendRequest<Full<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
    last: u64,
}

impl Streams {
    async fn open(bench: &Bench) -> Self {
        let stream = tokio::net::TcpStream::connect(bench.host.address).await.unwrap();
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        Self { sender, connection: tokio::spawn(connection), last: 0 }
    }

    fn request(&mut self, method: &str, name: &str, mut params: Value, capabilities: Value) -> JoinHandle<Value> {
        self.last += 1;
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": capabilities,
        });
        let body = json!({"jsonrpc": "2.0", "id": self.last, "method": method, "params": params}).to_string();
        let mut request = hyper::Request::post("http://localhost/mcp")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", method);
        if !name.is_empty() {
            request = request.header("mcp-name", name);
        }
        let (answer, id) = (self.sender.send_request(request.body(Full::new(Bytes::from(body))).unwrap()), self.last);
        tokio::spawn(async move {
            let body = answer.await.unwrap().into_body().collect().await.unwrap().to_bytes();
            let answer: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(answer["id"], json!(id));
            answer
        })
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> JoinHandle<Value> {
        self.request("tools/call", tool, json!({"name": tool, "arguments": arguments}), json!({}))
    }

    /// The host has begun with whatever was sent before.
    async fn settle(&mut self) {
        for _ in 0..3 {
            let answer = self.request("tools/list", "", json!({}), json!({})).await.unwrap();
            assert!(answer["result"]["tools"].is_array(), "{answer}");
        }
    }

    /// Gone before the host drains, which would wait for it.
    async fn close(self) {
        self.connection.abort();
        let _ = self.connection.await;
    }
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {answer}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_identical_queries_run_the_guest_once() {
    let bench = Bench::teller("");
    bench.gate.change(|state| state.open = false);
    let (tool, arguments) = (bench.tool("shared"), bench.arguments("a"));
    let (mut connections, mut calls) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        let mut streams = Streams::open(&bench).await;
        calls.extend((0..1_000).map(|_| streams.call(&tool, &arguments)));
        connections.push(streams);
    }
    for streams in &mut connections {
        streams.settle().await;
    }
    bench.gate.change(|state| state.open = true);
    for call in calls {
        assert_eq!(text(&call.await.unwrap()), "answer 1");
    }
    assert_eq!(bench.gate.seen(), 1);
    for streams in connections {
        streams.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_not_be_kept_is_joined_only_while_it_runs() {
    let bench = Bench::teller("");
    bench.gate.change(|state| state.open = false);
    let tool = bench.tool("fresh");
    let mut streams = Streams::open(&bench).await;
    let url = bench.url("a");
    let spaced: Value = json!({"url": url, "more": [1, 2]});
    let same: Vec<_> = (0..200).map(|_| streams.call(&tool, &spaced)).collect();
    streams.settle().await;
    bench.gate.wait_for(1);
    let other = streams.call(&tool, &json!({"url": url, "more": [2, 1]}));
    // Who can be asked something may get another answer.
    let askable = json!({"name": tool, "arguments": spaced});
    let able = streams.request("tools/call", &tool, askable, json!({"elicitation": {}}));
    streams.settle().await;
    bench.gate.wait_for(3);
    bench.gate.change(|state| state.open = true);
    for call in same {
        assert_eq!(text(&call.await.unwrap()), "answer 1");
    }
    let rest = [other.await.unwrap(), able.await.unwrap()];
    assert!(rest.iter().all(|answer| text(answer) != "answer 1"), "{rest:?}");
    assert_eq!((bench.ask("fresh", "a").as_str(), bench.gate.seen()), ("answer 4", 4));
    streams.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_after_an_update_never_gets_an_answer_from_before_it() {
    let bench = Bench::teller("");
    bench.gate.change(|state| state.open = false);
    let (tool, arguments) = (bench.tool("fresh"), bench.arguments("a"));
    let mut streams = Streams::open(&bench).await;
    let before = streams.call(&tool, &arguments);
    tokio::task::block_in_place(|| bench.gate.wait_for(1));
    // An update while the query is still running; its client has its answer.
    let update = streams.call(&bench.tool("change"), &bench.arguments("now")).await.unwrap();
    assert_eq!(update["result"]["isError"], Value::Null, "{update}");
    let after = streams.call(&tool, &arguments);
    tokio::task::block_in_place(|| bench.gate.wait_for(2));
    let again = streams.call(&tool, &arguments);
    streams.settle().await;
    bench.gate.change(|state| state.open = true);
    let answers = [before.await.unwrap(), after.await.unwrap(), again.await.unwrap()];
    let texts: Vec<_> = answers.iter().map(text).collect();
    assert_eq!((texts, bench.gate.seen()), (vec!["answer 1", "answer 2", "answer 2"], 2));
    streams.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_came_first_may_leave() {
    let bench = Bench::teller("");
    bench.gate.change(|state| state.open = false);
    let (tool, arguments) = (bench.tool("fresh"), bench.arguments("a"));
    let (mut first, mut others) = (Streams::open(&bench).await, Streams::open(&bench).await);
    let gone = first.call(&tool, &arguments);
    tokio::task::block_in_place(|| bench.gate.wait_for(1));
    let waiting: Vec<_> = (0..10).map(|_| others.call(&tool, &arguments)).collect();
    others.settle().await;
    gone.abort();
    first.close().await;
    others.settle().await;
    bench.gate.change(|state| state.open = true);
    for call in waiting {
        assert_eq!(text(&call.await.unwrap()), "answer 1");
    }
    assert_eq!(bench.gate.seen(), 1);
    others.close().await;
}

#[test]
fn a_kept_answer_is_given_until_the_plugin_changes_something() {
    let bench = Bench::teller("");
    for operation in ["kept", "shared"] {
        let first = bench.ask(operation, "a");
        assert_eq!((bench.ask(operation, "a"), bench.ask(operation, "a")), (first.clone(), first.clone()));
        assert_ne!(bench.ask(operation, "b"), first);
        // Another revision of the protocol gets the same in its own form.
        let legacy = Session::open(&bench.host, "2025-06-18");
        let answer = legacy.post(&tool_call(&json!(7), &bench.tool(operation), bench.arguments("a")));
        assert_eq!(answer.text(), first);
        assert_eq!(bench.ask("change", "now").split(' ').next(), Some("answer"));
        assert_ne!(bench.ask(operation, "a"), first);
    }
    // With something of the client's beside the arguments nothing is shared.
    let seen = bench.gate.seen();
    let params = json!({"name": bench.tool("shared"), "arguments": bench.arguments("a"), "_meta": {"example.com/mine": 1}});
    let _ = client::modern(bench.host.address, "tools/call", params);
    assert_eq!(bench.gate.seen(), seen + 1);
}

#[test]
fn an_answer_is_kept_for_its_time_and_only_a_good_one() {
    let bench = Bench::teller("");
    let deadline = Instant::now() + Duration::from_secs(30);
    while bench.gate.seen() < 3 {
        assert!(Instant::now() < deadline, "what is kept for a millisecond is kept forever");
        let _ = bench.ask("brief", "a");
    }
    let seen = bench.gate.seen();
    bench.gate.change(|state| state.body = "error");
    let _ = [bench.ask("shared", "b"), bench.ask("shared", "b")];
    bench.gate.change(|state| (state.status, state.body) = ("404 Not Found", "gone"));
    let _ = [bench.ask("shared", "b"), bench.ask("shared", "b")];
    assert_eq!(bench.gate.seen(), seen + 4);
}

#[test]
fn an_old_answer_is_better_than_none_where_the_manifest_says_so() {
    let call = |bench: &Bench, path: &str| client::call(bench.host.address, &bench.tool("brief"), bench.arguments(path)).json();
    let down = |bench: &Bench, status| bench.gate.change(|state| state.status = status);
    let bench = Bench::teller("[cache]\nstale_if_error = \"10m\"\n");
    assert_eq!(text(&call(&bench, "a")), "answer 1");
    for status in ["503 Service Unavailable", "500 Internal Server Error"] {
        down(&bench, status);
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            assert!(Instant::now() < deadline, "it is given as if it were new");
            let answer = call(&bench, "a");
            assert_eq!(text(&answer), "answer 1");
            if answer["result"]["_meta"]["io.cofferdam/stale"] == true {
                break;
            }
        }
        // Of what was never answered there is nothing old.
        let never = call(&bench, "b");
        assert!(never["result"]["isError"] == true || never["error"]["code"] == 1004, "{never}");
    }
    // What does not exist any more is no failure.
    down(&bench, "404 Not Found");
    assert_eq!(call(&bench, "a")["result"]["isError"], true);
    down(&bench, "200 OK");
    assert_eq!(call(&bench, "a")["result"]["_meta"]["io.cofferdam/stale"], Value::Null);

    let strict = Bench::teller("");
    assert_eq!(text(&call(&strict, "a")), "answer 1");
    down(&strict, "500 Internal Server Error");
    let deadline = Instant::now() + Duration::from_secs(30);
    while call(&strict, "a")["error"]["code"] != 1004 {
        assert!(Instant::now() < deadline, "an old answer is given");
    }
}

#[test]
fn plain_http_says_how_long_an_answer_may_be_used_again() {
    let bench = Bench::teller("[cache]\nstale_if_error = \"10m\"\n");
    let query = |operation: &str, path: &str| {
        let body = json!({"query": bench.tool(operation), "parameters": bench.arguments(path)}).to_string();
        let head = format!(
            "POST /mcp/query HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        client::raw(bench.host.address, (head + &body).as_bytes())
    };
    let (first, again, other) = (query("shared", "a"), query("shared", "a"), query("shared", "b"));
    assert_eq!(first.header("cache-control"), Some("private, max-age=60"), "{first:?}");
    let age: u64 = again.header("cache-control").and_then(|value| value.strip_prefix("private, max-age=")?.parse().ok()).unwrap();
    assert!(age < 60 && again.json()["content"] == first.json()["content"], "{again:?}");
    assert!(first.header("etag").is_some_and(|tag| tag.starts_with("W/\"")));
    assert_eq!(first.header("etag"), again.header("etag"));
    assert_ne!(first.header("etag"), other.header("etag"));
    assert!(query("kept", "a").header("cache-control").is_some_and(|value| value.starts_with("private, max-age=")));
    assert_eq!(query("fresh", "a").header("cache-control"), Some("no-store"));
    // MCP and plain HTTP give the same answer.
    assert_eq!(bench.ask("shared", "b"), other.json()["content"][0]["text"]);
    let _ = query("brief", "a");
    bench.gate.change(|state| state.status = "500 Internal Server Error");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        assert!(Instant::now() < deadline, "it is given as if it were new");
        let answer = query("brief", "a");
        assert_eq!(answer.status, 200, "{answer:?}");
        if answer.json()["stale"] == true {
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            break;
        }
    }
}

fn voice(name: &str) -> Value {
    json!({ "voice": name })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queries_that_come_while_one_runs_are_given_to_the_plugin_together() {
    let bench = Bench::new("choir", "", |plugins| plugins.limits(|limits| limits.gather_wait_max = Duration::from_secs(60)));
    bench.gate.change(|state| state.open = false);
    let tool = bench.tool("sing");
    let mut streams = Streams::open(&bench).await;
    let first = streams.call(&tool, &json!({"voice": "first", "url": bench.url("a")}));
    tokio::task::block_in_place(|| bench.gate.wait_for(1));
    let rest: Vec<_> = ["b", "hoarse", "d"].map(|name| streams.call(&tool, &voice(name))).into();
    // Who can be asked something is asked by a handler of its own.
    let able = json!({"name": tool, "arguments": voice("able")});
    let able = streams.request("tools/call", &tool, able, json!({"elicitation": {}}));
    assert_eq!(text(&able.await.unwrap()), "able alone");
    streams.settle().await;
    assert!(rest.iter().all(|call| !call.is_finished()));
    bench.gate.change(|state| state.open = true);
    assert_eq!(text(&first.await.unwrap()), "first alone");
    let mut answers = Vec::new();
    for call in rest {
        answers.push(call.await.unwrap());
    }
    assert_eq!(answers.iter().map(text).collect::<Vec<_>>(), ["b of 3", "it cannot sing", "d of 3"]);
    assert_eq!(answers[1]["result"]["isError"], true);
    streams.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gathering_waits_neither_forever_nor_for_more_than_it_takes() {
    let bench = Bench::new("choir", "", |plugins| {
        plugins.limits(|limits| (limits.gather_wait_max, limits.gather_max) = (Duration::from_millis(50), 2))
    });
    bench.gate.change(|state| state.open = false);
    let tool = bench.tool("sing");
    let mut streams = Streams::open(&bench).await;
    let first = streams.call(&tool, &json!({"voice": "first", "url": bench.url("a")}));
    tokio::task::block_in_place(|| bench.gate.wait_for(1));
    let calls: Vec<_> = (0..7).map(|n| streams.call(&tool, &voice(&n.to_string()))).collect();
    for (n, call) in calls.into_iter().enumerate() {
        let answer = call.await.unwrap();
        assert!([format!("{n} of 2"), format!("{n} alone")].contains(&text(&answer).to_owned()), "{answer}");
    }
    assert!(!first.is_finished());
    bench.gate.change(|state| state.open = true);
    assert_eq!(text(&first.await.unwrap()), "first alone");
    streams.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_number_of_answers_than_of_queries_is_nobodys_answer() {
    let bench = Bench::new("choir", "", |plugins| plugins.limits(|limits| limits.gather_wait_max = Duration::from_secs(60)));
    bench.gate.change(|state| state.open = false);
    let tool = bench.tool("sing");
    let mut streams = Streams::open(&bench).await;
    let first = streams.call(&tool, &json!({"voice": "first", "url": bench.url("a")}));
    tokio::task::block_in_place(|| bench.gate.wait_for(1));
    let rest: Vec<_> = ["b", "too-few", "d"].map(|name| streams.call(&tool, &voice(name))).into();
    streams.settle().await;
    bench.gate.change(|state| state.open = true);
    assert_eq!(text(&first.await.unwrap()), "first alone");
    for call in rest {
        let answer = call.await.unwrap();
        assert_eq!(answer["error"]["code"], 1004, "{answer}");
    }
    // The plugin is as good as before.
    assert_eq!(stateless::Client::new(bench.host.address).call(&tool, voice("e")).text(), "e alone");
    streams.close().await;
}
