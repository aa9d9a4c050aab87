//! One connection: how it is opened, what is taken from it, and how it is made as new.

use super::login;
use super::stream::{Bounded, BoundedTls, dial};
use crate::caps::sql::model::{Access, SqlError, SqlLimits};
use crate::config::{Login, PostgresServer, ServerHost};
use crate::secrets::Secrets;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{CancelToken, Client, Connection, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

/// What a row has beside its values.
const ROW_BYTES_EXTRA: usize = 64 << 10;
/// What `DISCARD ALL` does, apart from the driver's own prepared statements, which it would go on using. At its end, how many there are that
/// are not the driver's: a connection with such is closed.
const RESET: &str = "
    CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; SELECT pg_catalog.pg_advisory_unlock_all();
    DISCARD PLANS; DISCARD TEMP; DISCARD SEQUENCES; SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_statements WHERE from_sql";
/// A transaction in which nothing happens for this long is ended by the server as well, should the host be gone.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(30);

/// A database under one access, and how the host reaches it.
pub(super) struct Server {
    /// The operator's name for it.
    pub(super) name: String,
    pub(super) address: PostgresServer,
    pub(super) login: Login,
    pub(super) access: Access,
    pub(super) limits: SqlLimits,
    secrets: Secrets,
    tls: Option<MakeRustlsConnect>,
}

impl Server {
    /// Nothing is connected yet; only the certificates are read.
    pub(super) fn new(
        name: &str,
        address: &PostgresServer,
        access: Access,
        limits: SqlLimits,
        secrets: &Secrets,
    ) -> Result<Self, SqlError> {
        let login = match access {
            Access::Read => address.read.as_ref(),
            Access::Write => address.write.as_ref(),
        };
        let word = if access == Access::Read { "read" } else { "write" };
        let login = login.ok_or_else(|| {
            SqlError::Denied(format!(
                "the operator offers no login for access = \"{word}\": cofferdam.toml has no [databases.{name}.{word}]"
            ))
        })?;
        let tls = address.tls.then(|| tls(address)).transpose().map_err(|error| {
            tracing::error!(database = name, %error, "the certificates for a database cannot be read");
            SqlError::Unavailable("the certificates for the database cannot be read".to_owned())
        })?;
        let (name, login) = (name.to_owned(), login.clone());
        Ok(Self { name, address: address.clone(), login, access, limits, secrets: secrets.clone(), tls })
    }

    /// The longest message of the server's that is read: a row with values as long as they may be.
    fn message_bytes_max(&self) -> usize {
        self.limits.value_bytes_max.saturating_add(self.limits.result_bytes_max).saturating_add(ROW_BYTES_EXTRA)
    }

    fn host_name(&self) -> &str {
        match &self.address.host {
            ServerHost::Name(host) => host,
            ServerHost::Socket(_) => "localhost",
        }
    }

    /// What holds for a session from its beginning; `RESET ALL` comes back to it.
    fn settings(&self) -> String {
        let settings = [
            ("search_path", "public,pg_temp".to_owned()),
            ("statement_timeout", self.limits.statement_time_max.as_millis().to_string()),
            ("lock_timeout", self.limits.wait_max.as_millis().to_string()),
            ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION.as_millis().to_string()),
            ("default_transaction_read_only", if self.access == Access::Read { "on" } else { "off" }.to_owned()),
            ("timezone", "UTC".to_owned()),
            ("datestyle", "ISO".to_owned()),
        ];
        settings.map(|(name, value)| format!("-c {name}={value}")).join(" ")
    }

    /// A connection whose login may do what its access says, and no more.
    pub(super) async fn connect(self: &Arc<Self>) -> Result<Session, SqlError> {
        let mut config = tokio_postgres::Config::new();
        config.user(&self.login.user).dbname(&self.address.database).application_name("cofferdam").options(self.settings());
        config.ssl_mode(if self.tls.is_some() { SslMode::Require } else { SslMode::Disable });
        if let Some(secret) = &self.login.password {
            let password = self.secrets.get(secret).await.map_err(|error| {
                tracing::error!(database = self.name, secret, %error, "the password of a database cannot be had");
                self.unavailable()
            })?;
            config.password(password.expose());
        }
        let exceeded = Arc::<AtomicBool>::default();
        let opened = self.open(&config, &exceeded).await;
        let (client, driver) = opened.map_err(|error| {
            tracing::warn!(database = self.name, error, "a database cannot be connected to");
            self.unavailable()
        })?;
        let cancel = Cancel { token: client.cancel_token(), server: Arc::clone(self) };
        let session = Session { client, cancel, watch: Watch(exceeded), driver };
        self.check(&session).await?;
        Ok(session)
    }

    async fn open(&self, config: &tokio_postgres::Config, exceeded: &Arc<AtomicBool>) -> Result<(Client, AbortHandle), String> {
        let wire = dial(&self.address).await.map_err(|error| error.to_string())?;
        let most = self.message_bytes_max();
        match &self.tls {
            Some(maker) => {
                let tls = BoundedTls::new(maker, self.host_name(), most, exceeded).map_err(|error| error.to_string())?;
                let (client, connection) = config.connect_raw(wire, tls).await.map_err(|error| full(&error))?;
                Ok((client, drive(connection)))
            }
            None => {
                let wire = Bounded::new(wire, most, exceeded);
                let (client, connection) = config.connect_raw(wire, NoTls).await.map_err(|error| full(&error))?;
                Ok((client, drive(connection)))
            }
        }
    }

    async fn check(&self, session: &Session) -> Result<(), SqlError> {
        let findings = login::findings(&session.client, self.access).await.map_err(|error| {
            tracing::warn!(database = self.name, error = full(&error), "the rights of a database's login cannot be read");
            self.unavailable()
        })?;
        if findings.is_empty() {
            return Ok(());
        }
        let advice = login::advice(self.access, &self.login.user, &self.address.database);
        tracing::error!(
            target: "cofferdam::audit",
            database = self.name,
            role = self.login.user,
            "refused: the login of a database may do more than it should: {}. A login that the host takes:\n{advice}",
            findings.join("; ")
        );
        Err(SqlError::Unavailable("the host does not use the login that the operator gave it; the host's log says why".to_owned()))
    }

    fn unavailable(&self) -> SqlError {
        SqlError::Unavailable("the database is not available".to_owned())
    }
}

/// An error with its causes.
fn full(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

/// Runs the connection until its session is gone. Notices and notifications are nobody's business.
fn drive<S, T>(mut connection: Connection<S, T>) -> AbortHandle
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let driver = tokio::spawn(async move { while let Some(Ok(_)) = poll_fn(|context| connection.poll_message(context)).await {} });
    driver.abort_handle()
}

fn tls(address: &PostgresServer) -> io::Result<MakeRustlsConnect> {
    let mut roots = rustls::RootCertStore::empty();
    // Some that the operating system has are not well-formed; the others count.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = &address.ca {
        let certificates = CertificateDer::pem_file_iter(file).map_err(io::Error::other)?;
        for certificate in certificates {
            roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(io::Error::other)?;
    Ok(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// An open connection.
pub(super) struct Session {
    pub(super) client: Client,
    cancel: Cancel,
    watch: Watch,
    driver: AbortHandle,
}

/// Knows whether a connection ended because a row was too long.
#[derive(Clone)]
pub(super) struct Watch(Arc<AtomicBool>);

impl Watch {
    /// Whether it did.
    pub(super) fn exceeded(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Session {
    /// Who knows whether it ended because a row was too long.
    pub(super) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// The way to interrupt it.
    pub(super) fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }

    /// Forgets everything that a statement may have left behind. `false` when that is not possible.
    pub(super) async fn reset(&self) -> bool {
        if self.client.is_closed() {
            return false;
        }
        let Ok(messages) = self.client.simple_query(RESET).await else { return false };
        self.client.clear_type_cache();
        let last = messages.iter().rev().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        last == Some("0")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Interrupts the statement of a connection, over another one.
#[derive(Clone)]
pub(super) struct Cancel {
    token: CancelToken,
    server: Arc<Server>,
}

impl Cancel {
    /// Asks the server. The statement says itself whether it ended.
    pub(super) async fn now(&self) {
        let asked = async {
            let wire = dial(&self.server.address).await?;
            let exceeded = Arc::default();
            let sent = match &self.server.tls {
                Some(maker) => {
                    let tls = BoundedTls::new(maker, self.server.host_name(), self.server.message_bytes_max(), &exceeded)?;
                    self.token.cancel_query_raw(wire, tls).await
                }
                None => self.token.cancel_query_raw(wire, NoTls).await,
            };
            sent.map_err(io::Error::other)
        };
        if let Err(error) = asked.await {
            tracing::debug!(database = self.server.name, %error, "a statement could not be interrupted");
        }
    }
}
