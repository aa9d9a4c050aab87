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

#[path = "timing/mod.rs"]
mod timing;

use cofferdam::auth::Principal;
use cofferdam::caps::budget::CallTag;
use cofferdam::cli::Host;
use cofferdam::config::Config;
use cofferdam::ids::CallRef;
use cofferdam::mcp::Abilities;
use cofferdam::registry::Binding;
use cofferdam::runtime::{Ask, Handler, Job};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use timing::{Batches, PerCall, per_call};
use tokio::time::Instant;

/// The host's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCHES: Batches = Batches { count: 200, calls: 200 };
const ROWS: u32 = 1_000;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::start(folder.path());
    println!("{:34} {:>12} {:>12} {:>14} {:>8}", "capability call, us", "native", "guest", "difference", "ratio");
    bench.row("SQLite point query", "sql", || native_sql(folder.path()));
    bench.runtime.block_on(async {});
    bench.end();
}

struct Bench {
    host: Host,
    binding: Arc<Binding>,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    /// A host with the one plugin that calls capabilities.
    fn start(folder: &Path) -> Self {
        let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/guests/wasm32-wasip2/release/toll.wasm");
        let plugin = folder.join("plugins/toll");
        std::fs::create_dir_all(&plugin).unwrap();
        std::fs::copy(&guest, plugin.join("toll.wasm"))
            .unwrap_or_else(|error| panic!("{}: {error}; run `make guests` first", guest.display()));
        std::fs::write(plugin.join("plugin.toml"), "name = \"toll\"\n[grants.sql.main]\naccess = \"read\"\n").unwrap();
        rusqlite::Connection::open(folder.join("main.db")).unwrap().execute_batch(&script()).unwrap();
        let file = folder.join("cofferdam.toml");
        let config = Config::parse("[databases.main]\nengine = \"sqlite\"\npath = \"main.db\"\n", &file).unwrap();
        let host = Host::new(&config).unwrap();
        let (loaded, done) = std::sync::mpsc::channel();
        host.load(&config, move |reports| loaded.send(format!("{reports:?}")).unwrap());
        let reports = done.recv().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let snapshot = runtime.block_on(host.registry.snapshot());
        let tool = snapshot.tool("toll_sql").unwrap_or_else(|| panic!("{reports}"));
        let binding = Arc::clone(&tool.binding);
        Self { host, binding, runtime }
    }

    fn row<B: FnMut(u32)>(&self, name: &str, operation: &str, native: impl Fn() -> B + Sync) {
        let guest = per_call(1, BATCHES, || self.batch(operation));
        let empty = per_call(1, Batches { calls: 1, ..BATCHES }, || {
            let mut batch = self.batch(operation);
            move |_| batch(0)
        });
        let native = per_call(1, BATCHES, native);
        // The sandbox itself, once for each batch, is not the capability's.
        let of_sandbox = empty.median_us / f64::from(BATCHES.calls);
        let guest = PerCall { median_us: guest.median_us - of_sandbox, ..guest };
        let (native, guest) = (native.median_us, guest.median_us);
        println!("{name:34} {native:12.2} {guest:12.2} {:14.2} {:8.2}", guest - native, guest / native);
    }

    /// One guest call that makes as many capability calls as it is told to.
    fn batch(&self, operation: &str) -> impl FnMut(u32) + use<> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (binding, name, caller) = (Arc::clone(&self.binding), Arc::<str>::from(operation), Principal::local());
        let limits = cofferdam::limits::CallLimits { cpu_time_max: Duration::from_secs(10), ..binding.limits.clone() };
        move |times| {
            let job = Job {
                ask: Arc::new(Ask::Operation {
                    handler: Handler::Query,
                    name: Arc::clone(&name),
                    arguments: format!("{{\"times\":{times}}}"),
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
