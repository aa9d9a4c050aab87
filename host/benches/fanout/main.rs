//! Events to many subscribers: `cargo bench --bench fanout`, or `-- --short` for a run of a few seconds that only checks.
//!
//! A host in a process of its own publishes; this process has the subscribers, and checks what each of them gets. Beside it, in the same
//! run, a fan-out of nothing but hyper and a broadcast channel of tokio's, for the ratio.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a benchmark fails by panicking")]
#![allow(clippy::print_stdout, clippy::cast_possible_truncation, missing_docs, reason = "it prints what it measured")]
#![allow(clippy::disallowed_methods, reason = "it publishes at a pace, and waits for a process")]

mod clients;
mod servers;

use clients::{Clients, Kind};
use servers::Server;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

/// What one run is made of.
struct Plan {
    streams: usize,
    sockets: usize,
    per_second: u64,
    seconds: u64,
    silent: usize,
    silent_events: u64,
}

const FULL: Plan = Plan { streams: 1_000, sockets: 200, per_second: 1_000, seconds: 10, silent: 500, silent_events: 10_000 };
const SHORT: Plan = Plan { streams: 50, sockets: 10, per_second: 200, seconds: 2, silent: 20, silent_events: 10_000 };

/// What has to come out (issue of live events, "Must show").
const PUBLISH_P99_MAX: Duration = Duration::from_millis(10);
const SILENT_BYTES_MAX: u64 = 256 << 10;
const RATIO_MIN: f64 = 0.60;
/// More than any of the servers can hand out to a thousand subscribers.
const SATURATING_PER_SECOND: u64 = 3_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--serve") {
        return servers::serve(&arguments[at + 1]);
    }
    raise_limit();
    let short = arguments.iter().any(|argument| argument == "--short");
    let plan = if short { SHORT } else { FULL };
    let mut failed = idle(&plan);
    failed |= exact(&plan);
    failed |= silent(&plan, short);
    failed |= saturated(&plan, short);
    if failed {
        println!("a target was missed");
    }
    // A short run is for what is right, not for how fast it is.
    std::process::exit(i32::from(failed && !short));
}

/// Files that may be open: as many as the system lets us have.
fn raise_limit() {
    if std::env::var_os("FANOUT_LIMIT_RAISED").is_some() {
        return;
    }
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    let error = command.args(std::env::args().skip(1)).env("FANOUT_LIMIT_RAISED", "1").exec();
    panic!("sh: {error}");
}

/// Prints a line of the report; true when the target is missed.
fn report(what: &str, measured: &str, target: Option<(&str, bool)>) -> bool {
    let target = target.map(|(text, met)| (text, if met { "met" } else { "MISSED" }, met));
    match target {
        Some((text, word, met)) => {
            println!("{what:<52} {measured:>14}   target {text}: {word}");
            !met
        }
        None => {
            println!("{what:<52} {measured:>14}");
            false
        }
    }
}

/// Memory of subscribers to whom nothing happens.
fn idle(plan: &Plan) -> bool {
    let each = |kind: Kind, count: usize| {
        let mut server = Server::start("ours");
        // The first connections allocate what all of them share.
        let warm = Clients::open(server.address(), kind, 10, |_| None);
        let before = server.rss();
        let clients = Clients::open(server.address(), kind, count, |_| None);
        server.wait_for_subscriptions(count + 10);
        let bytes = server.rss().saturating_sub(before) / count as u64;
        drop((warm, clients));
        bytes
    };
    let (stream, socket) = (each(Kind::Stream, plan.streams), each(Kind::Socket, plan.sockets));
    report("memory of an idle subscriber, SSE", &format!("{:.1} KiB", stream as f64 / 1024.0), None);
    report("memory of an idle subscriber, WebSocket", &format!("{:.1} KiB", socket as f64 / 1024.0), None);
    false
}

/// Every subscriber gets exactly its events in order, or is told how many are missing.
fn exact(plan: &Plan) -> bool {
    let mut server = Server::start("ours");
    let count = plan.per_second * plan.seconds;
    let filter = |n: usize| Some(clients::FILTERS[n % clients::FILTERS.len()]);
    let streams = Clients::open(server.address(), Kind::Stream, plan.streams, filter);
    let sockets = Clients::open(server.address(), Kind::Socket, plan.sockets, filter);
    server.wait_for_subscriptions(plan.streams + plan.sockets);
    let published = server.publish(count, plan.per_second, 0);
    let (mut got, mut lagged) = (0, 0);
    for clients in [&streams, &sockets] {
        let (of_kind, missed) = clients.check(count);
        got += of_kind;
        lagged += missed;
    }
    let subscribers = plan.streams + plan.sockets;
    println!(
        "{count} events at {} a second to {subscribers} subscribers: {got} delivered in order, {lagged} told as missing",
        plan.per_second
    );
    let p99 = Duration::from_micros(published.p99_us);
    report("publisher, p99", &format!("{p99:.2?}"), Some(("10 ms", p99 <= PUBLISH_P99_MAX)))
}

/// Subscribers that never read.
fn silent(plan: &Plan, short: bool) -> bool {
    let mut server = Server::start("ours");
    let reader = Clients::open(server.address(), Kind::Stream, 1, |_| Some(clients::FILTERS[0]));
    let consumers = clients::silent(server.address(), plan.silent);
    server.wait_for_subscriptions(plan.silent + 1);
    let before = server.rss();
    let began = Instant::now();
    let published = server.publish(plan.silent_events, 5_000, 1_000);
    let each = server.rss().saturating_sub(before) / plan.silent as u64;
    server.wait_for_subscriptions(1);
    let gone = began.elapsed();
    drop((reader, consumers));
    let p99 = Duration::from_micros(published.p99_us);
    let mut failed = report(
        "memory of a subscriber that never reads",
        &format!("{:.1} KiB", each as f64 / 1024.0),
        Some(("256 KiB", short || each <= SILENT_BYTES_MAX)),
    );
    failed |= report("all of them dropped, after the first event", &format!("{gone:.2?}"), Some(("10 s", gone <= Duration::from_secs(10))));
    failed | report("publisher beside them, p99", &format!("{p99:.2?}"), Some(("10 ms", p99 <= PUBLISH_P99_MAX)))
}

/// More than can be handed out, side by side with the bare fan-out, in turns.
fn saturated(plan: &Plan, short: bool) -> bool {
    let rounds = if short { 1 } else { 3 };
    let seconds = if short { 1 } else { 4 };
    let mut ratios: Vec<f64> = (0..rounds)
        .map(|_| {
            let rate = |kind: &str| {
                let mut server = Server::start(kind);
                let clients = Clients::open(server.address(), Kind::Stream, plan.streams, |_| None);
                server.wait_for_subscriptions(plan.streams);
                let began = Instant::now();
                server.publish(SATURATING_PER_SECOND * seconds, SATURATING_PER_SECOND, 0);
                clients.counted() as f64 / began.elapsed().as_secs_f64()
            };
            let (ours, bare) = (rate("ours"), rate("bare"));
            println!("saturated: {ours:.0} events/s delivered, bare hyper with a broadcast channel {bare:.0}");
            ours / bare
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ratios.len() / 2];
    report("ratio to the bare fan-out, median", &format!("{median:.2}"), Some(("0.60", short || median >= RATIO_MIN)))
}
