//! A host in this process: real plugins, real sockets, limits of the test's choice.

use crate::upstream::Loopback;
use crate::wat;
use cofferdam::cli::Host;
use cofferdam::config::{
    Config, Database, Egress, Folder, Http, KeyValueConfig, KeyValueStore, NamedSecret, PostgresServer, SqliteFile, TaskStore, Tasks,
};
use cofferdam::dispatch::{Feeds, Guests};
use cofferdam::grants::OfferedSecret;
use cofferdam::limits::Limits;
use cofferdam::registry::{PluginReport, State};
use cofferdam::secrets::SecretSource;
use cofferdam::server;
use cofferdam::topics::Topics;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use tokio::sync::watch;

/// Slots of a test host's pool: each reserves address space, and many hosts live in one process.
const CALLS_MAX: usize = 16;
/// The same for feeds.
const FEEDS_MAX: usize = 8;

/// Something else that an operator decides.
type Change = Box<dyn Fn(&mut Config) + Send + Sync>;

/// Asks a host to load its plugins again; it sends back what became of them.
type Reload = tokio::sync::mpsc::UnboundedSender<mpsc::Sender<Vec<PluginReport>>>;

/// What a host says when it has started.
struct Started {
    address: SocketAddr,
    reports: Vec<PluginReport>,
    topics: Arc<Topics>,
    feeds: Arc<Feeds<Guests>>,
    reload: Reload,
}

/// A plugins folder in the making.
pub struct Plugins {
    folder: tempfile::TempDir,
    /// The limits of the host to be.
    pub limits: Limits,
    http: Http,
    egress: Egress,
    databases: Vec<(String, Database)>,
    folders: Vec<(String, Folder)>,
    tasks: TaskStore,
    operator: Vec<Change>,
}

/// A host that serves until it is dropped.
pub struct TestHost {
    /// Where it listens.
    pub address: SocketAddr,
    /// What became of the plugins.
    pub reports: Vec<PluginReport>,
    /// What is published and subscribed to, as transports see it.
    pub topics: Arc<Topics>,
    /// The feeds that run.
    pub feeds: Arc<Feeds<Guests>>,
    reload: Reload,
    stop: watch::Sender<bool>,
    served: Option<std::thread::JoinHandle<()>>,
    plugins: Plugins,
}

impl Default for Plugins {
    fn default() -> Self {
        let limits = Limits { calls_max: CALLS_MAX, feeds_max: FEEDS_MAX, ..Limits::default() };
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self {
            folder,
            limits,
            http: Http::default(),
            egress: Egress::default(),
            databases: Vec::new(),
            folders: Vec::new(),
            tasks: TaskStore::Memory,
            operator: Vec::new(),
        }
    }
}

impl Plugins {
    /// Nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn path(&self) -> PathBuf {
        let path = self.folder.path().join("plugins");
        std::fs::create_dir_all(&path).expect("the plugins folder");
        path
    }

    /// Where a test can put files of its own.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.folder.path()
    }

    /// Drops in a WAT fixture as a bare component of the same name.
    #[must_use]
    pub fn wat(self, fixture: &str) -> Self {
        let bytes = wat::component(fixture);
        self.bare(fixture, &bytes)
    }

    /// Drops in a bare component.
    #[must_use]
    pub fn bare(self, name: &str, bytes: &[u8]) -> Self {
        std::fs::write(self.path().join(format!("{name}.wasm")), bytes).expect("the component");
        self
    }

    /// Drops in a guest of `tests/guests`, or a bundled plugin, as a bare component.
    #[must_use]
    pub fn guest(self, name: &str) -> Self {
        let bytes = guest(name);
        self.bare(name, &bytes)
    }

    /// Drops in a guest with a manifest.
    #[must_use]
    pub fn with_manifest(self, name: &str, component: &[u8], manifest: &str) -> Self {
        let folder = self.path().join(name);
        std::fs::create_dir_all(&folder).expect("the plugin's folder");
        std::fs::write(folder.join("plugin.toml"), manifest).expect("the manifest");
        std::fs::write(folder.join(format!("{name}.wasm")), component).expect("the component");
        self
    }

    /// Drops in a component of `tests/guests/plain` with a manifest and its WIT.
    #[must_use]
    pub fn plain(self, name: &str) -> Self {
        let plugins = self.with_manifest(name, &guest(name), &format!("name = \"{name}\"\n"));
        let wit = plugins.path().join(name).join("wit");
        std::fs::create_dir_all(&wit).expect("the WIT folder");
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/plain").join(name).join("wit/world.wit");
        std::fs::copy(&from, wit.join("world.wit")).expect("the WIT");
        plugins
    }

    /// Drops in a guest of `tests/guests` with the manifest that it has there.
    #[must_use]
    pub fn fixture(self, name: &str) -> Self {
        self.with_manifest(name, &guest(name), &manifest(name))
    }

    /// Keeps tasks, and keys and values, in files, so that they are still there when the host starts again.
    #[must_use]
    pub fn tasks_in_file(mut self) -> Self {
        self.tasks = TaskStore::Sqlite;
        self
    }

    /// Offers a SQLite database that is made from SQL text.
    #[must_use]
    pub fn database(mut self, name: &str, sql: &str) -> Self {
        let init = self.folder.path().join(format!("{name}.sql"));
        std::fs::write(&init, sql).expect("the SQL text");
        let path = self.folder.path().join(format!("{name}.db"));
        self.databases.push((name.to_owned(), Database::Sqlite(SqliteFile { path, init: Some(init), migrations: None })));
        self
    }

    /// Offers a SQLite database that is made by migrations.
    #[must_use]
    pub fn migrated(mut self, name: &str, files: &[(&str, &str)]) -> Self {
        let migrations = self.folder.path().join(format!("{name}-migrations"));
        std::fs::create_dir_all(&migrations).expect("the folder of migrations");
        for (file, text) in files {
            std::fs::write(migrations.join(file), text).expect("a migration");
        }
        let path = self.folder.path().join(format!("{name}.db"));
        self.databases.push((name.to_owned(), Database::Sqlite(SqliteFile { path, init: None, migrations: Some(migrations) })));
        self
    }

    /// Offers a database of a PostgreSQL server.
    #[must_use]
    pub fn postgres(mut self, name: &str, server: PostgresServer) -> Self {
        self.databases.push((name.to_owned(), Database::Postgresql(server)));
        self
    }

    /// Offers a folder that is made here: `folders/<name>` of the scratch folder.
    #[must_use]
    pub fn folder(mut self, name: &str, write: bool) -> Self {
        let path = self.folder.path().join("folders").join(name);
        std::fs::create_dir_all(&path).expect("the folder");
        self.folders.push((name.to_owned(), Folder { path, write }));
        self
    }

    /// Changes the limits.
    #[must_use]
    pub fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// Changes who may call over HTTP, and how.
    #[must_use]
    pub fn http(mut self, change: impl FnOnce(&mut Http)) -> Self {
        change(&mut self.http);
        self
    }

    /// Changes anything else of the configuration.
    #[must_use]
    pub fn operator(mut self, change: impl Fn(&mut Config) + Send + Sync + 'static) -> Self {
        self.operator.push(Box::new(change));
        self
    }

    /// Where the text of a secret is.
    #[must_use]
    pub fn secret_file(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.secret"))
    }

    /// Offers a secret, in a file.
    #[must_use]
    pub fn secret(self, name: &str, text: &str, reveal: bool) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let file = self.secret_file(name);
        std::fs::write(&file, text).expect("the secret");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("its mode");
        let secret = NamedSecret { source: SecretSource::File(file), offered: OfferedSecret { hosts: None, reveal } };
        let name = name.to_owned();
        self.operator(move |config| drop(config.secrets.insert(name.clone(), secret.clone())))
    }

    /// Changes what plugins may reach. Every name leads to loopback, except those that begin with `inside.`.
    #[must_use]
    pub fn egress(mut self, change: impl FnOnce(&mut Egress)) -> Self {
        change(&mut self.egress);
        self
    }

    /// Drops in the guest of many tools, with everything that its own manifest asks for.
    #[must_use]
    pub fn conformance(self) -> Self {
        self.with_manifest("conformance", &guest("conformance"), include_str!("../guests/conformance/plugin.toml"))
    }

    /// The configuration of the host to be. Compiled code is shared by all tests of a run, and by the runs.
    #[must_use]
    pub fn config(&self) -> Config {
        // Hosts of other tests have the shared folder as well; what is kept for one host alone is kept in its own.
        let state = if self.tasks == TaskStore::Memory { target().join("test-state") } else { self.folder.path().join("state") };
        let mut config = Config {
            plugins: self.path(),
            state,
            http: self.http.clone(),
            egress: self.egress.clone(),
            databases: self.databases.iter().cloned().collect(),
            folders: self.folders.iter().cloned().collect(),
            keyvalue: KeyValueConfig { store: self.keyvalue_store() },
            limits: self.limits.clone(),
            tasks: Tasks { store: self.tasks },
            ..Config::default()
        };
        self.operator.iter().for_each(|change| change(&mut config));
        config
    }

    fn keyvalue_store(&self) -> KeyValueStore {
        match self.tasks {
            TaskStore::Memory => KeyValueStore::Memory,
            TaskStore::Sqlite => KeyValueStore::Sqlite,
        }
    }

    /// Starts the host and waits until its plugins are loaded.
    #[must_use]
    pub fn start(self) -> TestHost {
        let config = self.config();
        let (stop, stopped) = watch::channel(false);
        let (started, start) = mpsc::channel();
        let served = std::thread::spawn(move || serve(&config, stopped, &started));
        let Started { address, reports, topics, feeds, reload } = start.recv().expect("the host did not start");
        TestHost { address, reports, topics, feeds, reload, stop, served: Some(served), plugins: self }
    }
}

fn serve(config: &Config, stopped: watch::Receiver<bool>, started: &mpsc::Sender<Started>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let host = Host::with_resolver(config, Arc::new(Loopback)).expect("the host");
    let app = host.app(config);
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        host.listens_on(address);
        let (done, loaded) = tokio::sync::oneshot::channel();
        host.load(config, move |reports| drop(done.send(reports.to_vec())));
        let reports = loaded.await.expect("the plugins' reports");
        let (reload, mut reloads) = tokio::sync::mpsc::unbounded_channel::<mpsc::Sender<Vec<PluginReport>>>();
        let (topics, feeds) = (Arc::clone(host.registry.topics()), Arc::clone(&host.feeds));
        started.send(Started { address, reports, topics, feeds, reload }).expect("the test is gone");
        let reloading = async {
            while let Some(done) = reloads.recv().await {
                host.load(config, move |reports| drop(done.send(reports.to_vec())));
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            served = server::serve(listener, app, stopped) => served.expect("the server"),
            () = reloading => {}
        }
    });
    host.shut_down();
    runtime.shutdown_background();
}

impl TestHost {
    /// Why a plugin was refused; panics when it was not.
    #[must_use]
    pub fn refusal(&self, plugin: &str) -> &str {
        match self.state(plugin) {
            State::Refused { reason } => reason,
            State::Loaded { .. } => panic!("{plugin} was loaded"),
        }
    }

    /// What became of a plugin.
    #[must_use]
    pub fn state(&self, plugin: &str) -> &State {
        &self.reports.iter().find(|report| report.name == plugin).unwrap_or_else(|| panic!("no plugin {plugin}")).state
    }

    /// What is published and subscribed to.
    #[must_use]
    pub fn topics(&self) -> &Arc<Topics> {
        &self.topics
    }

    /// Where a test can put files of its own.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.plugins.scratch()
    }

    /// The folder that the plugins are in.
    #[must_use]
    pub fn plugins(&self) -> PathBuf {
        self.plugins.path()
    }

    /// Loads the plugins again, as they are now, and puts them in force.
    pub fn reload(&mut self) {
        let (done, loaded) = mpsc::channel();
        self.reload.send(done).expect("the host has ended");
        self.reports = loaded.recv().expect("the plugins' reports");
    }

    /// Tells the host to stop; it answers what is in flight first.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Ends the host, and starts another one with the same files.
    #[must_use]
    pub fn restart(mut self) -> Self {
        let plugins = std::mem::take(&mut self.plugins);
        drop(self);
        plugins.start()
    }
}

impl Drop for TestHost {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(served) = self.served.take() {
            let ended = served.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the host panicked");
        }
    }
}

/// The workspace's target folder.
#[must_use]
pub fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")
}

/// A guest that `make guests` or `make plugins` has built.
#[must_use]
pub fn guest(name: &str) -> Vec<u8> {
    let file = target().join("guests/wasm32-wasip2/release").join(format!("{}.wasm", name.replace('-', "_")));
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}; run `make guests plugins` first", file.display()))
}

/// The manifest of a guest of `tests/guests`.
#[must_use]
pub fn manifest(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests").join(name).join("plugin.toml");
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The binary that `make host` has built.
#[must_use]
pub fn binary() -> PathBuf {
    let file = target().join("release/cofferdam");
    assert!(file.is_file(), "{} is not there; run `make host` first", file.display());
    file
}

impl Plugins {
    /// Writes the configuration as a file, for a host in a process of its own; ports are of the system's choice.
    #[must_use]
    pub fn write_config(&self) -> PathBuf {
        let Limits { cpu_time_max, wall_time_max, drain_time_max, body_bytes_max, .. } = self.limits;
        let mut text = format!(
            "plugins = {:?}\nstate = {:?}\n[listen]\nhttp = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n[limits]\ncpu_time = \"{}ms\"\n\
             wall_time = \"{}ms\"\ndrain_time = \"{}ms\"\nbody = \"{body_bytes_max}B\"\n",
            self.path(),
            target().join("test-state"),
            cpu_time_max.as_millis(),
            wall_time_max.as_millis(),
            drain_time_max.as_millis(),
        );
        for (name, database) in &self.databases {
            let Database::Sqlite(database) = database else { continue };
            let init = database.init.as_deref().unwrap_or(&database.path);
            text += &format!("[databases.{name}]\nengine = \"sqlite\"\npath = {:?}\ninit = {init:?}\n", database.path);
        }
        let file = self.folder.path().join("cofferdam.toml");
        std::fs::write(&file, text).expect("the configuration");
        file
    }
}
