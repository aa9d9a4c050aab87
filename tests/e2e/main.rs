//! End-to-end tests: a whole host, real components, real sockets. One binary, so that it is linked once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]
#![allow(clippy::needless_pass_by_value, reason = "`json!` values are made for the call")]

mod answers;
mod batches;
mod canary;
mod cli;
mod connections;
mod cors;
mod documents;
mod drain;
mod event_streams;
mod feeds;
mod files;
mod guest_log;
mod hostile;
mod http;
mod http_sse;
mod keyvalue;
mod loading;
mod logs;
mod migrations;
mod modern;
mod notes;
mod packages;
mod plain;
mod plain_http;
mod postgres;
mod protocol;
mod questions;
mod resuming;
mod rooms;
mod sdk_clients;
mod secrets;
mod sessions;
mod sql;
mod stdio;
mod stdio_eras;
mod streams;
mod told;
mod topics;
mod webhooks;
mod ws;
