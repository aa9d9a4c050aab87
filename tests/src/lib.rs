//! What the tests share: fixtures, a host in a process of its own, and raw clients.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a harness fails by panicking")]
#![allow(clippy::needless_pass_by_value, reason = "`json!` values are made for the call")]

pub mod client;
pub mod events;
pub mod host;
pub mod postgres;
pub mod process;
pub mod session;
pub mod socket;
pub mod stateless;
pub mod stdio;
pub mod topics;
pub mod upstream;
pub mod wat;

/// Waits until something is so; panics with `otherwise` when it does not become so.
#[allow(clippy::disallowed_methods, reason = "for what nobody tells: it is looked at again and again, with a deadline")]
pub fn until(mut is_so: impl FnMut() -> bool, otherwise: impl Fn() -> String) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "{}", otherwise());
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
