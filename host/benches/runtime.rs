//! What the sandbox alone costs: a fresh store and instance, the call, and the drop of both, with every limit on; on one thread and on two.
//!
//! `cargo bench --bench runtime -- COMPONENT...`; without arguments the benchmark's own two guests.
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
use cofferdam::clock::Clock;
use cofferdam::ids::{CallRef, PluginName, RevisionId, TenantId};
use cofferdam::limits::Limits;
use cofferdam::mcp::Abilities;
use cofferdam::runtime::{self, Ask, CodeCache, Engine, Granted, Guest, Handler, Job, Sources};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use timing::{Batches, per_call};
use tokio::time::Instant;

/// The host's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCHES: Batches = Batches { count: 200, calls: 200 };

fn main() {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/guests/wasm32-wasip2/release");
    let given: Vec<PathBuf> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).map(PathBuf::from).collect();
    let files = if given.is_empty() { vec![guests.join("echo-bare.wasm"), guests.join("echo.wasm")] } else { given };
    let limits = Arc::new(Limits::default());
    let engine = Engine::new(&limits).unwrap();
    println!("{:24} {:>14} {:>14} {:>14} {:>10}", "guest", "1 thread, us", "2 threads, us", "fastest, us", "2 to 1");
    for file in files {
        let guest = load(&engine, &file);
        let run = |threads| per_call(threads, BATCHES, || batch(&guest, &limits));
        let (one, two) = (run(1), run(2));
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let ratio = two.median_us / one.median_us;
        println!("{name:24} {:14.2} {:14.2} {:14.2} {ratio:10.2}", one.median_us, two.median_us, one.least_us);
    }
}

fn load(engine: &Engine, file: &Path) -> Arc<Guest> {
    let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}; run `make guests` first", file.display()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let component = runtime.block_on(CodeCache::open(engine, folder.path()).compile(RevisionId([0; 32]), bytes)).unwrap();
    let linked = runtime::link(engine, &component, Granted::default()).unwrap();
    Arc::new(Guest::new(linked, Clock::system(), Sources::default()).unwrap())
}

/// A function that makes as many calls as it is told to.
fn batch(guest: &Arc<Guest>, limits: &Arc<Limits>) -> impl FnMut(u32) + use<> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (guest, limits, principal) = (Arc::clone(guest), Arc::clone(limits), Principal::local());
    let (operation, plugin): (Arc<str>, _) = (Arc::from("echo"), PluginName::parse("echo").unwrap());
    move |calls| {
        runtime.block_on(async {
            for _ in 0..calls {
                let job = Job {
                    ask: Arc::new(Ask::Operation {
                        handler: Handler::Query,
                        name: Arc::clone(&operation),
                        arguments: r#"{"text":"hello"}"#.to_owned(),
                    }),
                    round: None,
                    caller: Arc::clone(&principal),
                    abilities: Abilities::default(),
                    client: None,
                    meta: None,
                    tag: CallTag { reference: CallRef::next(), tenant: TenantId::local(), plugin: plugin.clone() },
                    limits: limits.call(),
                    deadline: Instant::now() + limits.wall_time_max,
                };
                let (_, call) = guest.call(job);
                call.await.unwrap().unwrap();
            }
        });
    }
}
