//! The command line: arguments, configuration, start, exit code. The only place with `anyhow`.

mod banner;
mod limits;
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
    /// Print every limit with its value and its reason
    Limits(Options),
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

/// Runs a command. 0: it did what it was asked; 1: it could not, and said why on standard error.
#[must_use]
pub fn main(arguments: &Arguments) -> ExitCode {
    let result = match &arguments.command {
        Command::Serve(options) => serve::run(options),
        Command::Stdio(options) => stdio::run(options),
        Command::Limits(options) => limits::run(options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = say(&format!("cofferdam: {error:#}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Standard error may be closed; there is nobody left to tell then.
fn say(text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    std::io::stderr().write_all(text.as_bytes())
}
