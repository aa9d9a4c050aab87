//! A real PostgreSQL server: one cluster for each test process, started by the first test that wants it, and gone with the process.

use cofferdam::config::{Login, PostgresServer, ServerHost};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The server refuses to run as root; this is who runs it then.
const UNPRIVILEGED: &str = "postgres";

/// What is revoked in every database, so that a role without rights has none.
const TEMPLATE: &str = "
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea), lo_put(oid, bigint, bytea),
      lowrite(integer, bytea), lo_truncate(integer, integer), lo_truncate64(integer, bigint), lo_unlink(oid) FROM PUBLIC;";

/// A cluster of its own, on a Unix socket and on a port of loopback with TLS.
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    /// The port of both.
    pub port: u16,
    running: Mutex<Option<Running>>,
}

/// A database with a role for reading and one for writing.
pub struct PgDatabase {
    /// Its name; the roles are `<name>_read` and `<name>_write`.
    pub name: String,
    cluster: &'static Cluster,
}

/// The cluster of most tests.
#[must_use]
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start)
}

/// The server's process. It ends when the way to it closes, which it does with this process, however that ends.
struct Running {
    shell: Child,
    alive: Option<ChildStdin>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.alive.take();
        let _ended = self.shell.wait();
    }
}

impl Cluster {
    fn start() -> Self {
        let cluster = Self::prepare();
        *cluster.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(cluster.run());
        cluster.psql("template1", TEMPLATE).expect("the template");
        cluster
    }

    /// Everything but the server's process.
    fn prepare() -> Self {
        let folder = tempfile::Builder::new().prefix("cofferdam-pg-").tempdir().expect("a folder").keep();
        let programs = programs();
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
        let root = is_root();
        if root {
            succeed(Command::new("chown").arg(UNPRIVILEGED).arg(&folder));
        }
        let data = folder.join("data");
        let options = ["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "-U", "postgres", "-D"];
        succeed(as_user(root, &programs.join("initdb")).args(options).arg(&data));
        let certified = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("a certificate");
        std::fs::write(folder.join("ca.pem"), certified.cert.pem()).expect("the certificate");
        install(root, &certified.cert.pem(), &data.join("server.crt"));
        install(root, &certified.signing_key.serialize_pem(), &data.join("server.key"));
        install(root, "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n", &data.join("pg_hba.conf"));
        Self { folder, programs, port, running: Mutex::new(None) }
    }

    /// Starts the server and waits until it accepts.
    fn run(&self) -> Running {
        // The shell waits for the end of its input; the folder goes when its owner is gone.
        let script = "folder=$1; owner=$2; shift 2; \"$@\" >>\"$folder/log\" 2>&1 & server=$!
            cat >/dev/null; kill -INT $server; wait $server; test -d /proc/$owner || rm -rf \"$folder\"";
        let mut shell = as_user(is_root(), Path::new("/bin/sh"));
        shell.args(["-c", script, "sh"]).arg(&self.folder).arg(std::process::id().to_string());
        shell.arg(self.programs.join("postgres")).arg("-D").arg(self.folder.join("data"));
        for setting in [
            format!("port={}", self.port),
            format!("unix_socket_directories={}", self.folder.display()),
            "listen_addresses=127.0.0.1".to_owned(),
            "ssl=on".to_owned(),
            "fsync=off".to_owned(),
            "max_connections=200".to_owned(),
            "autovacuum=off".to_owned(),
        ] {
            shell.arg("-c").arg(setting);
        }
        let mut child: Child = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the server");
        let alive = child.stdin.take();
        let mut running = Running { shell: child, alive };
        let socket = self.folder.join(format!(".s.PGSQL.{}", self.port));
        // Until it accepts; the file is there a little earlier.
        while !(socket.exists() && self.psql("postgres", "SELECT 1").is_ok()) {
            let ended = running.shell.try_wait().expect("the server");
            assert!(ended.is_none(), "the server ended: {:?}", std::fs::read_to_string(self.folder.join("log")));
            std::thread::yield_now();
        }
        running
    }

    /// Runs SQL as the superuser; what it prints, or why it failed.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-h"]).arg(&self.folder);
        psql.args(["-p", &self.port.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = psql.spawn().expect("psql");
        child.stdin.take().expect("its input").write_all(sql.as_bytes()).expect("psql");
        let output = child.wait_with_output().expect("psql");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// A new database, made by a script, with a role that may read everything and one that may change everything.
    #[must_use]
    pub fn database(&'static self, script: &str) -> PgDatabase {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        // Databases are copies of a template that nobody may be connected to.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let name = format!("t{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        {
            let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
            self.psql("postgres", &format!("CREATE DATABASE {name} STRATEGY file_copy")).expect("the database");
        }
        let rights = format!(
            "REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC;
             CREATE ROLE {name}_read LOGIN PASSWORD 'read-{name}'; GRANT USAGE ON SCHEMA public TO {name}_read;
             CREATE ROLE {name}_write LOGIN PASSWORD 'write-{name}'; GRANT USAGE, CREATE ON SCHEMA public TO {name}_write;
             {script};
             GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}_read;
             GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}_write;
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {name}_write;"
        );
        self.psql(&name, &rights).unwrap_or_else(|error| panic!("{error}"));
        PgDatabase { name, cluster: self }
    }
}

impl PgDatabase {
    /// Runs SQL in it as the superuser.
    pub fn psql(&self, sql: &str) -> String {
        self.cluster.psql(&self.name, sql).unwrap_or_else(|error| panic!("{error}"))
    }

    /// How a host reaches it: over the socket, without passwords.
    #[must_use]
    pub fn server(&self) -> PostgresServer {
        let login = |access: &str| Some(Login { user: format!("{}_{access}", self.name), password: None });
        PostgresServer {
            host: ServerHost::Socket(self.cluster.folder.clone()),
            port: self.cluster.port,
            database: self.name.clone(),
            tls: false,
            ca: None,
            read: login("read"),
            write: login("write"),
        }
    }

    /// How a host reaches it over the network: with TLS, and passwords that are the secrets `read` and `write`.
    #[must_use]
    pub fn server_with_tls(&self) -> PostgresServer {
        let login = |access: &str| Some(Login { user: format!("{}_{access}", self.name), password: Some(access.to_owned()) });
        let (read, write) = (login("read"), login("write"));
        let host = ServerHost::Name("127.0.0.1".to_owned());
        PostgresServer { host, tls: true, ca: Some(self.cluster.folder.join("ca.pem")), read, write, ..self.server() }
    }
}

/// A server that a test starts and stops, with a role `reader` that may read.
pub struct PgServer {
    cluster: Cluster,
}

impl Default for PgServer {
    fn default() -> Self {
        let cluster = Cluster::start();
        let rights = "REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC; CREATE ROLE reader LOGIN";
        cluster.psql("postgres", &format!("{TEMPLATE} {rights}")).expect("the rights");
        let server = Self { cluster };
        server.stop();
        server
    }
}

impl PgServer {
    /// A server that is not running.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How a host reaches it.
    #[must_use]
    pub fn address(&self) -> PostgresServer {
        PostgresServer {
            host: ServerHost::Socket(self.cluster.folder.clone()),
            port: self.cluster.port,
            database: "postgres".to_owned(),
            tls: false,
            ca: None,
            read: Some(Login { user: "reader".to_owned(), password: None }),
            write: None,
        }
    }

    /// Starts it, and waits until it accepts.
    pub fn start(&self) {
        *self.cluster.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.cluster.run());
    }

    /// Stops it, and everything that it does.
    pub fn stop(&self) {
        self.cluster.running.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Waits until a query says this.
    pub fn wait_until(&self, sql: &str, expected: &str) {
        while self.cluster.psql("postgres", sql).as_deref() != Ok(expected) {
            std::thread::yield_now();
        }
    }
}

impl Drop for PgServer {
    fn drop(&mut self) {
        self.stop();
        let _removed = std::fs::remove_dir_all(&self.cluster.folder);
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id");
    output.stdout.trim_ascii() == b"0"
}

fn programs() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/postgres.sh");
    let output = Command::new(script).output().expect("tools/postgres.sh");
    assert!(output.status.success(), "PostgreSQL cannot be found: {}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

fn as_user(root: bool, program: &Path) -> Command {
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", UNPRIVILEGED, "--regid", UNPRIVILEGED, "--clear-groups", "--"]).arg(program).current_dir("/");
    command
}

/// Writes a file that only the server reads.
fn install(root: bool, text: &str, to: &Path) {
    let from = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(from.path(), text).expect("its text");
    let mut install = Command::new("install");
    install.args(["-m", "600"]);
    if root {
        install.args(["-o", UNPRIVILEGED]);
    }
    succeed(install.arg(from.path()).arg(to));
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}
