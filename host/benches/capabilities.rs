//! What a capability costs a guest beside the same call made natively: one guest call makes many of them, in a sandbox with every limit on.
//!
//! `cargo bench --bench capabilities`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark for people"
)]

use bytes::Bytes;
use cofferdam::auth::Principal;
use cofferdam::caps::budget::CallTag;
use cofferdam::caps::keyvalue::{Change, Entry, Quota, Space, SqliteStore, Store as _};
use cofferdam::cli::Host;
use cofferdam::clock::Clock;
use cofferdam::config::Config;
use cofferdam::ids::{CallRef, PluginName, TenantId};
use cofferdam::limits::Limits;
use cofferdam::mcp::Abilities;
use cofferdam::registry::Binding;
use cofferdam::runtime::{Ask, Handler, Job};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The host's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WARM_UP: usize = 20;
const BATCHES: usize = 300;
/// Capability calls of one guest call.
const CALLS: u32 = 200;
/// A call may make so many requests, and no more.
const REQUESTS: u32 = 30;
const ROWS: u32 = 1_000;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = upstream();
    let bench = Bench::start(folder.path(), upstream);
    let columns = ("native", "guest", "difference", "of best quarters", "ratio");
    println!("{:30} {:>10} {:>10} {:>12} {:>18} {:>8}", "capability call, us", columns.0, columns.1, columns.2, columns.3, columns.4);
    bench.row("key-value get", "keyvalue", "", CALLS, native_keyvalue(folder.path()));
    bench.row("SQLite point query", "sql", "", CALLS, native_sql(folder.path()));
    let url = format!(",\"url\":\"http://127.0.0.1:{}/\"", upstream.port());
    bench.row("HTTP on a pooled connection", "http", &url, REQUESTS, native_http(upstream));
    bench.end();
}

/// Microseconds of a batch.
fn time(batch: impl FnOnce()) -> f64 {
    let start = std::time::Instant::now();
    batch();
    start.elapsed().as_secs_f64() * 1e6
}

#[derive(Default)]
struct Times {
    native: Vec<f64>,
    guest: Vec<f64>,
}

/// The middle of some times, and that of their faster half.
struct Spread {
    median: f64,
    quarter: f64,
}

impl Spread {
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        Self { median: times[times.len() / 2], quarter: times[times.len() / 4] }
    }
}

struct Bench {
    host: Host,
    binding: Arc<Binding>,
}

impl Bench {
    /// A host with the one plugin that calls capabilities.
    fn start(folder: &Path, upstream: SocketAddr) -> Self {
        let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/guests/wasm32-wasip2/release/toll.wasm");
        let plugin = folder.join("plugins/toll");
        std::fs::create_dir_all(&plugin).unwrap();
        std::fs::copy(&guest, plugin.join("toll.wasm"))
            .unwrap_or_else(|error| panic!("{}: {error}; run `make guests` first", guest.display()));
        let manifest = format!(
            "name = \"toll\"\n[grants.sql.main]\naccess = \"read\"\n[grants.keyvalue]\naccess = \"write\"\n[grants.http]\nallow = [\"http://{upstream}\"]\n"
        );
        std::fs::write(plugin.join("plugin.toml"), manifest).unwrap();
        rusqlite::Connection::open(folder.join("main.db")).unwrap().execute_batch(&script()).unwrap();
        let file = folder.join("cofferdam.toml");
        let text = "[databases.main]\nengine = \"sqlite\"\npath = \"main.db\"\n[egress]\nprivate = [\"127.0.0.1/32\"]\n";
        let config = Config::parse(text, &file).unwrap();
        let host = Host::new(&config).unwrap();
        let (loaded, done) = std::sync::mpsc::channel();
        host.load(&config, move |reports| loaded.send(format!("{reports:?}")).unwrap());
        let reports = done.recv().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let snapshot = runtime.block_on(host.registry.snapshot());
        let tool = snapshot.tool("toll_sql").unwrap_or_else(|| panic!("{reports}"));
        let binding = Arc::clone(&tool.binding);
        Self { host, binding }
    }

    /// Native and guest take turns, so that what the machine does beside them hits both.
    fn row(&self, name: &str, operation: &str, more: &str, calls: u32, mut native: impl FnMut(u32)) {
        let (mut guest, mut times) = (self.batch(operation, more), Times::default());
        for round in 0..WARM_UP + BATCHES {
            // Without a capability call first: there it also writes what it will read.
            let (empty, native, guest) = (time(|| guest(0)), time(|| native(calls)), time(|| guest(calls)));
            if round >= WARM_UP {
                times.native.push(native / f64::from(calls));
                // The sandbox itself, once for each batch, is not the capability's.
                times.guest.push((guest - empty) / f64::from(calls));
            }
        }
        let (native, guest) = (Spread::of(times.native), Spread::of(times.guest));
        let (more, best, ratio) = (guest.median - native.median, guest.quarter - native.quarter, guest.median / native.median);
        println!("{name:30} {:10.2} {:10.2} {more:12.2} {best:18.2} {ratio:8.2}", native.median, guest.median);
    }

    /// One guest call that makes as many capability calls as it is told to.
    fn batch(&self, operation: &str, more: &str) -> impl FnMut(u32) + use<> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (binding, name, caller) = (Arc::clone(&self.binding), Arc::<str>::from(operation), Principal::local());
        let more = more.to_owned();
        let limits = cofferdam::limits::CallLimits { cpu_time_max: Duration::from_secs(10), ..binding.limits.clone() };
        move |times| {
            let job = Job {
                ask: Arc::new(Ask::Operation {
                    handler: Handler::Query,
                    name: Arc::clone(&name),
                    arguments: format!("{{\"times\":{times}{more}}}"),
                }),
                round: None,
                caller: Arc::clone(&caller),
                abilities: Abilities::default(),
                client: None,
                meta: None,
                tag: CallTag { reference: CallRef::next(), tenant: binding.tenant.clone(), plugin: binding.plugin.clone() },
                limits: limits.clone(),
                deadline: Instant::now() + limits.wall_time_max,
            };
            let (_, call) = binding.guest.call(job);
            let outcome = runtime.block_on(call).unwrap();
            assert!(outcome.is_ok(), "the guest failed");
        }
    }

    fn end(self) {
        drop(self.binding);
        self.host.shut_down();
    }
}

fn script() -> String {
    let rows: Vec<_> = (0..ROWS).map(|id| format!("({id}, 'name {id}')")).collect();
    format!("PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO t VALUES {}", rows.join(","))
}

/// The same store, asked by the host's own code.
fn native_keyvalue(folder: &Path) -> impl FnMut(u32) + use<> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limits = Limits::default();
    let store = SqliteStore::open(&folder.join("native.db"), &limits, Clock::system()).unwrap();
    let space = Space { tenant: TenantId::local(), plugin: PluginName::parse("toll").unwrap() };
    let value = Change::Set(Entry { value: b"a value of some bytes".as_slice().into(), expires_ms: None });
    runtime.block_on(store.change(&space, "key".to_owned(), value, Quota::new(1 << 20, 10, &limits))).unwrap();
    move |times| {
        runtime.block_on(async {
            for _ in 0..times {
                assert!(store.get(&space, "key").await.unwrap().is_some());
            }
        });
    }
}

/// Answers every request with a few bytes, on a thread of its own.
fn upstream() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = hyper::service::service_fn(|_| async {
                    Ok::<_, std::convert::Infallible>(hyper::Response::new(Full::new(Bytes::from_static(b"hello"))))
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
    });
    address
}

/// The same request on one connection, with hyper.
fn native_http(upstream: SocketAddr) -> impl FnMut(u32) + use<> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut sender = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(upstream).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    });
    let host = upstream.to_string();
    move |times| {
        runtime.block_on(async {
            for _ in 0..times {
                sender.ready().await.unwrap();
                let request = hyper::Request::get("/").header("host", &host).body(Empty::<Bytes>::new()).unwrap();
                let response = sender.send_request(request).await.unwrap();
                assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), 5);
            }
        });
    }
}

/// The same row by the same statement, prepared once, as a program that links SQLite reads it.
fn native_sql(folder: &Path) -> impl FnMut(u32) + use<> {
    let connection = rusqlite::Connection::open(folder.join("main.db")).unwrap();
    move |times| {
        for _ in 0..times {
            let mut statement = connection.prepare_cached("SELECT name FROM t WHERE id = ?1").unwrap();
            let name: String = statement.query_row([500], |row| row.get(0)).unwrap();
            assert_eq!(name.len(), 8);
        }
    }
}
