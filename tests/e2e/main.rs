//! End-to-end tests: a whole host, real components, real sockets. One binary, so that it is linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod connections;
mod drain;
mod hostile;
mod loading;
mod modern;
mod protocol;
mod sdk_clients;
mod sessions;
mod sql;
mod stdio;
