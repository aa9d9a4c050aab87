//! A host in a process of its own, with everything that it says.

use crate::host::binary;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// A test that waits so long for a line of the log fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// `cofferdam serve`, until it is dropped.
pub struct Process {
    child: Child,
    /// MCP.
    pub address: SocketAddr,
    /// Health.
    pub admin: SocketAddr,
    /// What it printed when its plugins were loaded.
    pub banner: String,
    log: Arc<Log>,
    reader: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Log {
    text: Mutex<String>,
    grown: Condvar,
}

impl Process {
    /// Starts it, and waits until its plugins are loaded. `filter` is `RUST_LOG`.
    #[must_use]
    pub fn start(config: &Path, filter: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(binary());
        command.arg("serve").arg("--config").arg(config).env("RUST_LOG", filter).envs(environment.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the host");
        let log = Arc::<Log>::default();
        let (stderr, kept) = (child.stderr.take().expect("its standard error"), Arc::clone(&log));
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                let mut text = kept.text.lock().expect("the log");
                text.push_str(&String::from_utf8_lossy(&line));
                text.push('\n');
                kept.grown.notify_all();
            }
        });
        let mut lines = BufReader::new(child.stdout.take().expect("its standard output")).lines();
        let mut banner = String::new();
        // The snippet for `.mcp.json` is the last thing that is printed.
        while !banner.contains("mcpServers") {
            banner += &lines.next().expect("the host ended").expect("a line");
            banner.push('\n');
        }
        let address = |name: &str| {
            let line = banner.lines().find(|line| line.starts_with(name)).expect("an address");
            line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).and_then(|text| text.parse().ok()).expect("an address")
        };
        Self { address: address("MCP "), admin: address("health "), child, banner, log, reader: Some(reader) }
    }

    /// The log, once it has `words` in it.
    #[must_use]
    pub fn log_with(&self, words: &str) -> String {
        let text = self.log.text.lock().expect("the log");
        let (text, _) = self.log.grown.wait_timeout_while(text, PATIENCE, |text| !text.contains(words)).expect("the log");
        assert!(text.contains(words), "no {words:?} in:\n{text}");
        text.clone()
    }

    /// Ends it, and gives the whole log.
    #[must_use]
    pub fn end(mut self) -> String {
        self.stop();
        std::mem::take(&mut *self.log.text.lock().expect("the log"))
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a command of the host prints: standard output and error together.
#[must_use]
pub fn output(arguments: &[&str]) -> String {
    let mut child = Command::new(binary()).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the host");
    let (mut stdout, mut stderr) = (child.stdout.take().expect("its output"), child.stderr.take().expect("its errors"));
    let mut text = String::new();
    stdout.read_to_string(&mut text).expect("text");
    stderr.read_to_string(&mut text).expect("text");
    let _ = child.wait();
    text
}
