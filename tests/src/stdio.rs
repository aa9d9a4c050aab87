//! A host in this process that serves one client over a pair of sockets, as it would on standard input and output: with limits of the
//! test's choice, which a process of its own cannot have.

use crate::host::Plugins;
use cofferdam::cli::Host;
use cofferdam::config::Config;
use cofferdam::server;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A test that waits so long for a line fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The client's end.
pub struct Stdio {
    input: UnixStream,
    output: BufReader<UnixStream>,
    served: Option<std::thread::JoinHandle<()>>,
    _plugins: Plugins,
}

fn serve(config: &Config, input: UnixStream, output: UnixStream) {
    let host = Host::new(config).expect("the host");
    host.load(config, |_| {});
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let tasks = tokio::task::LocalSet::new();
    runtime.block_on(tasks.run_until(async {
        let [input, output] = [input, output].map(|end| {
            end.set_nonblocking(true).expect("a socket that does not block");
            tokio::net::UnixStream::from_std(end).expect("a socket")
        });
        // A test that has failed is gone.
        let _ = server::stdio::serve(input, output, std::sync::Arc::clone(&host.dispatch)).await;
    }));
    host.shut_down();
}

impl Stdio {
    /// Starts the host; its plugins load meanwhile.
    #[must_use]
    pub fn start(plugins: Plugins) -> Self {
        let config = plugins.config();
        let ((input, host_input), (output, host_output)) = (UnixStream::pair().expect("sockets"), UnixStream::pair().expect("sockets"));
        output.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let served = std::thread::spawn(move || serve(&config, host_input, host_output));
        Self { input, output: BufReader::new(output), served: Some(served), _plugins: plugins }
    }

    /// Starts the host, and begins a session in it.
    #[must_use]
    pub fn with_session(plugins: Plugins, version: &str, capabilities: Value) -> Self {
        let mut stdio = Self::start(plugins);
        let initialized = stdio.ask(&crate::session::initialize(version, capabilities));
        assert_eq!(initialized["result"]["protocolVersion"], version);
        stdio.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        stdio
    }

    /// Sends one line.
    pub fn send_line(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).expect("a line is taken");
    }

    /// Sends a message.
    pub fn send(&mut self, message: &Value) {
        self.send_line(&message.to_string());
    }

    /// The next line as it came; none at the end.
    pub fn read_line(&mut self) -> Option<String> {
        let mut line = String::new();
        let count = self.output.read_line(&mut line).expect("a line");
        (count > 0).then(|| line.trim_end_matches('\n').to_owned())
    }

    /// The next message.
    pub fn read(&mut self) -> Value {
        let line = self.read_line().expect("a message");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Sends a message, and reads one.
    pub fn ask(&mut self, message: &Value) -> Value {
        self.send(message);
        self.read()
    }

    /// Ends the input; what the host has still to say before it ends by itself.
    #[must_use]
    pub fn end(mut self) -> Vec<Value> {
        self.input.shutdown(Shutdown::Write).expect("the input ends");
        let mut rest = Vec::new();
        while let Some(line) = self.read_line() {
            rest.push(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}")));
        }
        self.served.take().expect("a host").join().expect("the host panicked");
        rest
    }
}
