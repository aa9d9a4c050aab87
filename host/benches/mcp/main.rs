//! `tools/call` over HTTP and stdio: Cofferdam against bare hyper and against native rmcp, printed as ratios from one run.
//!
//! One executable plays every part, each in a process of its own: the driver (no subcommand), the peers (`peer`) and the load
//! generator (`load-http`, `load-stdio`). Rounds are interleaved (A B C A B C), so that a noisy machine disturbs everybody alike,
//! and ratios are taken within a round.
//!
//! `cargo bench --bench mcp -- --guest-bare FILE --guest-sdk FILE [--quick] [--gate]`

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "a benchmark stops at the first surprise, prints its result, its numbers are small, and its driver sleeps while others work"
)]

mod cold;
mod driver;
mod histogram;
mod http_load;
mod peers;
mod process;
mod report;
mod request;
mod servers;
mod stdio_load;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Compares `tools/call` on Cofferdam with bare hyper and native rmcp.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    mode: Option<Mode>,
    #[command(flatten)]
    plan: Plan,
    /// What `cargo bench` says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What the driver measures.
#[derive(Args)]
pub(crate) struct Plan {
    /// The server under test.
    #[arg(long, default_value = option_env!("CARGO_BIN_EXE_cofferdam").unwrap_or("target/release/cofferdam"))]
    cofferdam: PathBuf,
    /// Echo component without WASI imports, operation `echo`.
    #[arg(long)]
    guest_bare: Option<PathBuf>,
    /// Echo component made with the Rust SDK, operation `echo`.
    #[arg(long)]
    guest_sdk: Option<PathBuf>,
    /// Interleaved rounds; figures are the rounds' medians.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds measured in each round.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Cold starts of each server.
    #[arg(long, default_value_t = 10)]
    cold_starts: usize,
    /// One round of one second, three cold starts.
    #[arg(long)]
    quick: bool,
    /// Fail when a target is not met or was not measured.
    #[arg(long)]
    gate: bool,
}

#[derive(Subcommand)]
enum Mode {
    /// Serves `tools/call` the way somebody else would.
    #[command(hide = true)]
    Peer {
        name: peers::Peer,
        /// Where to listen, on 127.0.0.1; not for stdio.
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
    /// Calls a server over keep-alive connections and prints a `Sample`.
    #[command(hide = true)]
    LoadHttp(http_load::Load),
    /// Starts a server, calls it over its stdio and prints a `Sample`.
    #[command(hide = true)]
    LoadStdio(stdio_load::Load),
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    match arguments.mode {
        None => return driver::run(&arguments.plan),
        Some(Mode::Peer { name, port }) => peers::serve(name, port)?,
        Some(Mode::LoadHttp(load)) => load.run()?.print()?,
        Some(Mode::LoadStdio(load)) => load.run()?.print()?,
    }
    Ok(ExitCode::SUCCESS)
}
