//! Writes a WAT fixture as a component: `wat NAME FILE`. For trying one by hand, and for benchmarks.
#![allow(clippy::panic, clippy::expect_used, reason = "a tool for this repository's own use")]

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(file)) = (arguments.next(), arguments.next()) else { panic!("usage: wat NAME FILE") };
    std::fs::write(&file, tests::wat::component(&name)).expect("the file cannot be written");
}
