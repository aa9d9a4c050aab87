//! What `serve` and `stdio` share: from the configuration to a dispatch with its plugins loading.

use super::Options;
use crate::auth::guard::Guard;
use crate::caps::files::Files;
use crate::caps::http::Http;
use crate::caps::keyvalue::KeyValue;
use crate::caps::log::LogRates;
use crate::caps::sql::{Sql, sqlite};
use crate::clock::Clock;
use crate::config::{Config, Database, LogFormat, TaskStore};
use crate::dispatch::{Dispatch, Feeds, Guests};
use crate::egress::{Egress, Resolve, SystemResolver};
use crate::limits::Limits;
use crate::registry::{Loader, PluginReport, Registry};
use crate::runtime::{CodeCache, Engine};
use crate::secrets::Secrets;
use crate::server::App;
use crate::tasks::{MemoryStore, SqliteStore, Store};
use crate::topics::{Changes, Topics};
use anyhow::Context as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// The configuration, with the arguments in their places.
pub(super) fn config(options: &Options) -> anyhow::Result<Config> {
    let mut config = Config::load(options.config.as_deref())?;
    if let Some(plugins) = &options.plugins {
        config.plugins.clone_from(plugins);
    }
    Ok(config)
}

/// Logs to standard error: standard output belongs to the protocol on stdio, and to the start-up table otherwise. `RUST_LOG` goes first.
pub(super) fn logging(config: &Config) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(&config.log.filter));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only when a subscriber is there already, as in tests.
    let _ = match config.log.format {
        LogFormat::Text => subscriber.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => subscriber.json().try_init(),
    };
}

/// A guest gives way at the next tick of the epoch; only a compilation may take longer, and is left behind.
const SHUT_DOWN_MAX: Duration = Duration::from_millis(200);

/// A host that is starting: everything but its sockets.
pub struct Host {
    /// What is loaded.
    pub registry: Arc<Registry>,
    /// What answers requests.
    pub dispatch: Arc<Dispatch>,
    /// The feeds that run.
    pub feeds: Arc<Feeds<Guests>>,
    /// The limits in force.
    pub limits: Arc<Limits>,
    pub(super) loader: Arc<Loader>,
    http: Arc<Http>,
    // Calls that take long run here; dropped last.
    long_calls: tokio::runtime::Runtime,
}

impl Host {
    /// Starts the engine and opens what the configuration names.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        Self::with_resolver(config, system_resolver(config))
    }

    /// The same, with somebody else who knows the addresses of names that plugins call.
    pub fn with_resolver(config: &Config, resolver: Arc<dyn Resolve>) -> anyhow::Result<Self> {
        Self::with(config, &config.state, resolver)
    }

    /// The same, with compiled code in another folder than everything else.
    pub(super) fn with_code_in(config: &Config, code: &Path) -> anyhow::Result<Self> {
        Self::with(config, code, system_resolver(config))
    }

    fn with(config: &Config, code: &Path, resolver: Arc<dyn Resolve>) -> anyhow::Result<Self> {
        let limits = Arc::new(config.limits());
        for (name, database) in &config.databases {
            create(database).with_context(|| format!("the database {name:?} could not be created"))?;
        }
        sqlite::limit_memory(limits.sql_memory_bytes_max)?;
        let engine =
            Engine::new(&limits).map_err(|error| anyhow::anyhow!("{error:#}")).context("the WebAssembly engine could not start")?;
        let secrets = secrets(config);
        let code = CodeCache::open(&engine, code);
        let sql = Sql::new(&config.databases, &limits).with_secrets(&secrets).migrated();
        let (private, ca) = (config.egress.private.clone(), config.egress.ca.as_deref());
        let egress = Egress::new(private, ca, resolver, Arc::clone(&limits)).map_err(|error| anyhow::anyhow!("[egress] ca: {error}"))?;
        let http = Arc::new(Http::new(Arc::new(egress), secrets.clone(), &limits));
        let (changes, clock) = (Changes::new(), Clock::system());
        let topics = Topics::new(Arc::clone(&changes), Arc::clone(&limits), clock.clone());
        let keyvalue = KeyValue::new(config.keyvalue.store, config.keyvalue_file(), &limits, clock.clone());
        let files = Files::new(&config.folders, config.kept(), &limits);
        let (keyvalue, files) = (Arc::new(keyvalue), Arc::new(files));
        let (offered, limits_of_loader) = (config.offered(), Arc::clone(&limits));
        let loader = Loader {
            engine,
            code,
            http: Arc::clone(&http),
            sql,
            keyvalue,
            files,
            secrets: secrets.clone(),
            log_rates: LogRates::new(&limits),
            offered,
            changes: Arc::clone(&changes),
            topics: Arc::clone(&topics),
            limits: limits_of_loader,
            clock: clock.clone(),
        };
        let long_calls = tokio::runtime::Builder::new_multi_thread().thread_name("long-call").enable_all().build()?;
        let registry = Arc::new(Registry::new(changes, Arc::clone(&topics)));
        let feeds = Feeds::of_plugins(&registry, long_calls.handle().clone(), &limits);
        topics.run_feeds_with(Arc::<Feeds<Guests>>::clone(&feeds));
        let tasks = task_store(config, &limits, &clock);
        let dispatch = Dispatch::new(Arc::clone(&registry), tasks, long_calls.handle().clone(), Arc::clone(&limits), clock)?;
        let dispatch = Arc::new(dispatch);
        let sweeper = Arc::clone(&dispatch);
        long_calls.spawn(async move { sweeper.sweep_tasks().await });
        long_calls.spawn(async move { topics.tell_updates().await });
        // Says in the log what cannot be read, before a call needs it.
        long_calls.spawn(async move { secrets.unreadable().await });
        Ok(Self { registry, dispatch, feeds, limits, http, loader: Arc::new(loader), long_calls })
    }

    /// What a server needs of it.
    #[must_use]
    pub fn app(&self, config: &Config) -> Arc<App> {
        let hosts: Vec<String> = config.http.allowed_hosts.iter().map(ToString::to_string).collect();
        let origins: Vec<String> = config.http.allowed_origins.iter().map(ToString::to_string).collect();
        Arc::new(App::new(Guard::new(&hosts, &origins), Arc::clone(&self.dispatch), Arc::clone(&self.limits), config.http.legacy_sse))
    }

    /// Keeps plugins from calling a listener of this host's.
    pub fn listens_on(&self, address: std::net::SocketAddr) {
        self.http.keep_out_of(address);
    }

    /// Loads the plugins in the background; `done` gets the reports when the set is in force.
    pub fn load(&self, config: &Config, done: impl FnOnce(&[PluginReport]) + Send + 'static) {
        let (loader, registry, folder) = (Arc::clone(&self.loader), Arc::clone(&self.registry), config.plugins.clone());
        self.long_calls.spawn(async move {
            let (snapshot, reports) = loader.load_folder(&folder).await.unwrap_or_else(|error| {
                tracing::error!(folder = %folder.display(), %error, "the plugins folder cannot be read; nothing is loaded");
                Default::default()
            });
            registry.swap(snapshot);
            done(&reports);
        });
    }

    /// Waits for something that runs once.
    pub(super) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.long_calls.block_on(future)
    }

    /// Ends what is still running. Has to come before the runtime ends that the calls came from, whose clock they use.
    pub fn shut_down(self) {
        self.long_calls.shutdown_timeout(SHUT_DOWN_MAX);
    }
}

/// What this machine knows of names.
fn system_resolver(config: &Config) -> Arc<dyn Resolve> {
    Arc::new(SystemResolver::new(config.limits.http_lookups_max))
}

/// Where tasks are kept. A file that cannot be used costs their survival, not the host.
fn task_store(config: &Config, limits: &Limits, clock: &Clock) -> Arc<dyn Store> {
    if config.tasks.store == TaskStore::Sqlite {
        let file = config.tasks_file();
        match SqliteStore::open(&file, limits, clock.since_epoch_ms()) {
            Ok(store) => return Arc::new(store),
            Err(error) => tracing::warn!(file = %file.display(), %error, "tasks are kept in memory only"),
        }
    }
    Arc::new(MemoryStore::new(limits))
}

/// The operator's secrets, with those of the environment as it is now.
pub(super) fn secrets(config: &Config) -> Secrets {
    Secrets::with_environment(&config.secret_sources(), |name| std::env::var(name).ok())
}

/// Creates a database that does not exist yet, where the operator says from what.
fn create(database: &Database) -> anyhow::Result<()> {
    let Database::Sqlite(database) = database else { return Ok(()) };
    if let Some(folder) = database.path.parent().filter(|_| database.init.is_some() || database.migrations.is_some()) {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let Some(init) = database.init.as_ref().filter(|_| !database.path.exists()) else { return Ok(()) };
    let text = std::fs::read_to_string(init).with_context(|| init.display().to_string())?;
    sqlite::create_from_sql(&database.path, &text)?;
    Ok(())
}
