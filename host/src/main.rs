//! The `cofferdam` binary: everything is in the library.

use clap::Parser as _;
use std::process::ExitCode;

/// Allocations of a call are many and short-lived, and come back on the thread that made them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cofferdam::cli::main(&cofferdam::cli::Arguments::parse())
}
