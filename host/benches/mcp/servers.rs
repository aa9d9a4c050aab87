//! Starts the servers that are compared, as child processes.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::ValueEnum;

use crate::Plan;
use crate::peers::Peer;

/// How long a server may take to be ready. Cofferdam compiles its guests in this time when its code cache is cold.
const START_MAX: Duration = Duration::from_secs(120);

/// A running server; it ends when this is dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Fails when the process has ended by itself.
    pub(crate) fn check_alive(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the server ended: {status}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that can be started as often as one likes.
pub(crate) trait Contestant {
    /// Starts it without waiting until it listens.
    fn spawn(&self) -> anyhow::Result<Server>;
}

/// This executable in another mode.
pub(crate) fn own_mode(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments);
    Ok(command)
}

impl Contestant for Peer {
    fn spawn(&self) -> anyhow::Result<Server> {
        let address = free_address()?;
        let name = self.to_possible_value().context("every peer has a name")?;
        let mut command = own_mode(&["peer", name.get_name(), "--port", &address.port().to_string()])?;
        // The peer leaves when the pipe closes, so it cannot outlive the driver.
        let child = command.stdin(Stdio::piped()).spawn()?;
        Ok(Server { child, address })
    }
}

/// Waits until somebody listens.
pub(crate) fn wait_for_listener(server: &mut Server) -> anyhow::Result<()> {
    wait(server, |server| TcpStream::connect(server.address).is_ok())
}

fn wait(server: &mut Server, ready: impl Fn(&Server) -> bool) -> anyhow::Result<()> {
    let start = Instant::now();
    while !ready(server) {
        server.check_alive()?;
        anyhow::ensure!(start.elapsed() < START_MAX, "not ready within {START_MAX:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Cofferdam with a plugins folder and a state folder of its own.
pub(crate) struct Cofferdam {
    binary: PathBuf,
    home: tempfile::TempDir,
}

impl Cofferdam {
    /// Copies the guests to where their names make the tools `TOOL_BARE` and `TOOL_SDK`.
    pub(crate) fn new(plan: &Plan) -> anyhow::Result<Self> {
        let home = tempfile::tempdir()?;
        let plugins = home.path().join("plugins");
        fs::create_dir(&plugins)?;
        for (guest, file) in [(&plan.guest_bare, "echo-bare.wasm"), (&plan.guest_sdk, "echo-sdk.wasm")] {
            let Some(guest) = guest else { continue };
            fs::copy(guest, plugins.join(file)).with_context(|| format!("copying {}", guest.display()))?;
        }
        Ok(Self { binary: plan.cofferdam.clone(), home })
    }

    fn config(&self, http: SocketAddr, admin: SocketAddr) -> anyhow::Result<PathBuf> {
        let folder = self.home.path();
        let file = folder.join(format!("cofferdam-{}.toml", http.port()));
        let (plugins, state) = (folder.join("plugins"), folder.join("state"));
        let text = format!("plugins = {plugins:?}\nstate = {state:?}\n\n[listen]\nhttp = \"{http}\"\nadmin = \"{admin}\"\n");
        fs::write(&file, text)?;
        Ok(file)
    }

    /// The server under test, serving HTTP and ready for calls; compiles its guests the first time.
    pub(crate) fn serve(&self) -> anyhow::Result<Server> {
        let (mut server, admin) = self.spawn_with_admin()?;
        wait(&mut server, |_| status_of(admin, "/readyz").is_ok_and(|status| status == "200"))
            .with_context(|| format!("{} does not get ready; it said:\n{}", self.binary.display(), self.log()))?;
        Ok(server)
    }

    /// The server under test on stdio, as a command line.
    pub(crate) fn stdio_command(&self) -> anyhow::Result<Vec<String>> {
        let config = self.config(free_address()?, free_address()?)?;
        let words: [&Path; 4] = [&self.binary, Path::new("stdio"), Path::new("--config"), &config];
        Ok(words.iter().map(|word| word.display().to_string()).collect())
    }

    /// What the server last wrote while it served HTTP.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.home.path().join("log")
    }

    fn spawn_with_admin(&self) -> anyhow::Result<(Server, SocketAddr)> {
        let (address, admin) = (free_address()?, free_address()?);
        let log = File::create(self.log_file())?;
        let child = Command::new(&self.binary)
            .args([Path::new("serve"), Path::new("--config"), &self.config(address, admin)?])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", self.binary.display()))?;
        Ok((Server { child, address }, admin))
    }
}

impl Contestant for Cofferdam {
    fn spawn(&self) -> anyhow::Result<Server> {
        Ok(self.spawn_with_admin()?.0)
    }
}

fn status_of(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut status_line = [0; 12];
    stream.read_exact(&mut status_line)?;
    Ok(str::from_utf8(&status_line)?.rsplit(' ').next().unwrap_or_default().to_owned())
}

/// An address of which the operating system says that nobody has it.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
