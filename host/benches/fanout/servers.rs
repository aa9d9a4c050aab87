//! The servers, each in a process of its own that is told on its standard input what to do.

use bytes::Bytes;
use cofferdam::cli::Host;
use cofferdam::config::Config;
use cofferdam::ids::{PluginName, TenantId};
use cofferdam::limits::Limits;
use cofferdam::topics::{Declared, NewEvent, Overflow, TopicPattern, Topics};
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{broadcast, mpsc, watch};

/// Events that wait for a subscriber, in both.
const WAITING_MAX: usize = 64;

/// A server that runs until this is dropped.
pub(crate) struct Server {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    address: SocketAddr,
}

/// What publishing took.
pub(crate) struct Published {
    pub(crate) p99_us: u64,
}

impl Server {
    pub(crate) fn start(kind: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.args(["--serve", kind]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (commands, mut answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut address = String::new();
        answers.read_line(&mut address).unwrap();
        Self { child, commands, answers, address: address.trim().parse().expect("an address") }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    fn ask(&mut self, command: &str) -> u64 {
        writeln!(self.commands, "{command}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer.trim().parse().unwrap_or_else(|_| panic!("{command}: {answer:?}"))
    }

    /// Memory that it has in use.
    pub(crate) fn rss(&mut self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    }

    pub(crate) fn wait_for_subscriptions(&mut self, count: usize) {
        let began = Instant::now();
        loop {
            let open = self.ask("subscriptions");
            if open == count as u64 {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{open} subscriptions, not {count}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn publish(&mut self, count: u64, per_second: u64, filler: usize) -> Published {
        Published { p99_us: self.ask(&format!("publish {count} {per_second} {filler}")) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Event number `n` of `count`: the last one is everybody's.
pub(crate) fn event(n: u64, count: u64, filler: usize) -> NewEvent {
    let last = n + 1 == count;
    let digit = |at: u64| if last { 3 } else { (n / at) % 10 };
    let filler = "x".repeat(filler);
    NewEvent {
        data: format!(r#"{{"n":{n},"text":"line {}","mark":"~","filler":"{filler}"}}"#, digit(100)),
        source: Some(format!("s{}", digit(1))),
        severity: Some(format!("v{}", digit(10))),
        kind: None,
    }
}

/// Publishes at a pace, and returns the 99th percentile of what one took, in microseconds.
fn pace(count: u64, per_second: u64, mut publish: impl FnMut(u64)) -> u64 {
    let began = Instant::now();
    let mut times: Vec<u64> = (0..count)
        .map(|n| {
            let due = began + Duration::from_secs_f64(n as f64 / per_second as f64);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let start = Instant::now();
            publish(n);
            start.elapsed().as_micros() as u64
        })
        .collect();
    times.sort_unstable();
    times[(times.len() - 1) * 99 / 100]
}

/// Does what is asked on standard input.
fn obey(publish: impl Fn(u64, u64, usize), subscriptions: impl Fn() -> usize) {
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["publish", count, per_second, filler] => {
                let (count, filler) = (count.parse().unwrap(), filler.parse().unwrap());
                pace(count, per_second.parse().unwrap(), |n| publish(n, count, filler))
            }
            _ => subscriptions() as u64,
        };
        println!("{answer}");
    }
}

pub(crate) fn serve(kind: &str) {
    if kind == "ours" { ours() } else { bare() }
}

fn ours() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    let limits = Limits {
        calls_max: 16,
        connections_max: 10_000,
        subscriptions_per_caller_max: 10_000,
        subscriptions_per_tenant_max: 10_000,
        events_per_second_max: 1_000_000,
        subscriber_events_max: WAITING_MAX,
        ..Limits::default()
    };
    let config = Config { plugins, state: folder.path().join("state"), limits, ..Config::default() };
    let host = Host::new(&config).unwrap();
    let (tenant, plugin) = (TenantId::local(), PluginName::parse("bench").unwrap());
    let topics: Arc<Topics> = Arc::clone(host.registry.topics());
    let pattern = TopicPattern::parse("events").unwrap();
    topics.declare(&tenant, &plugin, vec![Declared { pattern, retained_max: 100, overflow: Overflow::DropOldest, feed: false }]);
    let app = host.app(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    println!("{}", listener.local_addr().unwrap());
    let (_stop, stopped) = watch::channel(false);
    runtime.spawn(cofferdam::server::serve(listener, app, stopped));
    obey(
        |n, count, filler| {
            topics.publish(&tenant, &plugin, "events", event(n, count, filler)).unwrap();
        },
        || topics.subscriptions(&tenant),
    );
}

/// hyper and a broadcast channel: the same threads, the same bytes, and nothing else.
fn bare() {
    let (sender, _) = broadcast::channel::<Bytes>(WAITING_MAX);
    let open = Arc::new(AtomicUsize::new(0));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers: Vec<_> = (0..cores).map(|_| bare_worker(sender.clone(), Arc::clone(&open))).collect();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().map_while(Result::ok).enumerate() {
            stream.set_nodelay(true).unwrap();
            stream.set_nonblocking(true).unwrap();
            workers[n % workers.len()].send(stream).unwrap();
        }
    });
    let publish = |n, count, filler| {
        let event = cofferdam::topics::Event::new(n, "bench/events".into(), 0, event(n, count, filler));
        let _ = sender.send(event.frame().clone());
    };
    obey(publish, || open.load(Ordering::Relaxed));
}

fn bare_worker(sender: broadcast::Sender<Bytes>, open: Arc<AtomicUsize>) -> mpsc::UnboundedSender<std::net::TcpStream> {
    let (streams, mut handed) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            while let Some(stream) = handed.recv().await {
                let io = TokioIo::new(tokio::net::TcpStream::from_std(stream).unwrap());
                let (sender, open) = (sender.clone(), Arc::clone(&open));
                let service = service_fn(move |_| {
                    open.fetch_add(1, Ordering::Relaxed);
                    let events = futures_util::stream::unfold(sender.subscribe(), async |mut receiver| {
                        loop {
                            match receiver.recv().await {
                                Ok(event) => return Some((Ok::<_, Infallible>(Frame::data(event)), receiver)),
                                Err(broadcast::error::RecvError::Lagged(_)) => {}
                                Err(broadcast::error::RecvError::Closed) => return None,
                            }
                        }
                    });
                    let response = hyper::Response::new(StreamBody::new(Box::pin(events)));
                    async move { Ok::<_, Infallible>(response) }
                });
                tokio::task::spawn_local(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
            }
        });
    });
    streams
}
