//! The command line: arguments, configuration, start, exit code. The only place with `anyhow`.

mod banner;
mod call;
mod check;
mod findings;
mod inspect;
mod limits;
mod scratch;
mod serve;
mod start;
mod stdio;

pub use start::Host;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs MCP handlers as sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve MCP over HTTP
    Serve(Options),
    /// Serve one MCP client on standard input and output
    Stdio(Options),
    /// Check a configuration and its plugins, one plugin, or a component, and say everything that is wrong
    Check(check::Arguments),
    /// Show what is in a component: what it needs, as a manifest to paste, and what it offers
    Inspect(inspect::Arguments),
    /// Call one operation of one plugin, with the grants that it has
    Call(call::Arguments),
    /// Print every limit with its value and its reason
    Limits(limits::Arguments),
}

/// Where things are.
#[derive(Debug, clap::Args)]
struct Options {
    /// The operator's configuration; without it `cofferdam.toml` in the current folder, else the defaults
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The plugins folder, instead of the configuration's
    #[arg(long, value_name = "FOLDER")]
    plugins: Option<PathBuf>,
}

/// It did not do what it was asked, since it was asked wrongly; the same that `clap` exits with.
const USAGE: u8 = 2;

/// Runs a command. 0: it did what it was asked; 1: it could not, and said why on standard error; 2: that is no way to ask.
#[must_use]
pub fn main(arguments: &Arguments) -> ExitCode {
    let done = |result: anyhow::Result<()>| result.map(|()| ExitCode::SUCCESS);
    let result = match &arguments.command {
        Command::Serve(options) => done(serve::run(options)),
        Command::Stdio(options) => done(stdio::run(options)),
        Command::Check(arguments) => check::run(arguments),
        Command::Inspect(arguments) => done(inspect::run(arguments)),
        Command::Call(arguments) => call::run(arguments),
        Command::Limits(arguments) => done(limits::run(arguments)),
    };
    result.unwrap_or_else(|error| {
        let _ = say(&format!("cofferdam: {error:#}\n"));
        ExitCode::FAILURE
    })
}

/// Standard output may be closed, as by `head`; that is no error.
fn print(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// A JSON document for programs, as people can read it.
fn print_json(value: &serde_json::Value) {
    print(&format!("{value:#}\n"));
}

/// Standard error may be closed; there is nobody left to tell then.
fn say(text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    std::io::stderr().write_all(text.as_bytes())
}
