//! `[databases.<database>]`: a file for SQLite, or a server with its logins for PostgreSQL.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::read::path;
use super::{ConfigError, Engine};
use crate::manifest::{DATABASE_NAME, Field, Table, is_database_name, quoted};

const ENGINES: &[(&str, Engine)] = &[("sqlite", Engine::Sqlite), ("postgresql", Engine::Postgresql)];
const TLS: &[(&str, bool)] = &[("require", true), ("off", false)];
/// Where PostgreSQL listens when nobody says otherwise.
const PORT: u16 = 5432;
/// Keys that only one engine has.
const OF_SQLITE: [&str; 3] = ["path", "init", "migrations"];
const OF_POSTGRESQL: [&str; 5] = ["url", "tls", "ca", "read", "write"];

/// A database that manifests can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// A file that this host opens.
    Sqlite(SqliteFile),
    /// A server that it connects to.
    Postgresql(PostgresServer),
}

/// A database of SQLite's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteFile {
    /// Its file.
    pub path: PathBuf,
    /// SQL text that creates it when its file does not exist.
    pub init: Option<PathBuf>,
    /// The folder with the changes of its schema.
    pub migrations: Option<PathBuf>,
}

/// A database of PostgreSQL's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresServer {
    /// Where its server is.
    pub host: ServerHost,
    /// The server's port; part of a socket's name as well.
    pub port: u16,
    /// What the server calls it.
    pub database: String,
    /// Whether the way to it is encrypted, and the server's certificate checked.
    pub tls: bool,
    /// Certificates that are trusted beside those of the operating system.
    pub ca: Option<PathBuf>,
    /// The login of those who may only read.
    pub read: Option<Login>,
    /// The login of those who may write.
    pub write: Option<Login>,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerHost {
    /// A name or an address.
    Name(String),
    /// The folder of a Unix socket.
    Socket(PathBuf),
}

/// Who the host is to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The role.
    pub user: String,
    /// The secret that is its password; none where the server trusts the host without one.
    pub password: Option<String>,
}

impl Database {
    /// What runs it.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgresql(_) => Engine::Postgresql,
        }
    }
}

/// Reads `[databases]`.
pub(super) fn databases(table: &Table<'_>, folder: &Path) -> Result<BTreeMap<String, Database>, ConfigError> {
    let mut databases = BTreeMap::new();
    for (field, database) in table.named_sections()? {
        if !is_database_name(field.key()) {
            return Err(field.at_key(format!("{} is not a database name", quoted(field.key()))).with_help(DATABASE_NAME));
        }
        let engine = database
            .require("engine", "engine = \"sqlite\"")?
            .choice(ENGINES)
            .map_err(|error| error.or_help("PostgreSQL is \"postgresql\", and SQLite is \"sqlite\""))?;
        let foreign: &[&str] = if engine == Engine::Sqlite { &OF_POSTGRESQL } else { &OF_SQLITE };
        if let Some(key) = foreign.iter().find_map(|key| database.get(key)) {
            let other = if engine == Engine::Sqlite { Engine::Postgresql } else { Engine::Sqlite };
            let help = match engine {
                Engine::Sqlite => format!("write path = \"data/{}.db\"", field.key()),
                Engine::Postgresql => format!("write url = \"postgres://localhost:5432/{}\"", field.key()),
            };
            return Err(key.at_key(format!("{} is for engine = \"{other}\", not for \"{engine}\"", quoted(key.key()))).with_help(help));
        }
        let read = match engine {
            Engine::Sqlite => Database::Sqlite(sqlite(field.key(), &database, folder)?),
            Engine::Postgresql => Database::Postgresql(postgresql(field.key(), &database, folder)?),
        };
        databases.insert(field.key().to_owned(), read);
    }
    Ok(databases)
}

fn sqlite(name: &str, table: &Table<'_>, folder: &Path) -> Result<SqliteFile, ConfigError> {
    let file = path(&table.require("path", &format!("path = \"data/{name}.db\""))?, "a file such as \"data/main.db\"", folder)?;
    let script = "a file with SQL text such as \"data/main.sql\"";
    let init = table.get("init").map(|field| path(&field, script, folder)).transpose()?;
    let changes = "a folder with SQL files such as \"data/migrations\"";
    let migrations = table.get("migrations").map(|field| path(&field, changes, folder)).transpose()?;
    Ok(SqliteFile { path: file, init, migrations })
}

fn postgresql(name: &str, table: &Table<'_>, folder: &Path) -> Result<PostgresServer, ConfigError> {
    let url = table.require("url", &format!("url = \"postgres://localhost:5432/{name}\""))?;
    let (host, port, database) = address(&url, name)?;
    let tls = table.get("tls").map(|field| Ok((field.choice(TLS)?, field))).transpose()?;
    let tls = match (tls, &host) {
        (Some((true, field)), ServerHost::Socket(_)) => {
            return Err(field.error("cannot be \"require\" for a Unix socket, which leaves no machine").with_help("take the line out"));
        }
        (_, ServerHost::Socket(_)) => false,
        (Some((false, field)), ServerHost::Name(host)) if !is_loopback(host) => {
            let message = format!("can be \"off\" only for this machine, and {} may be another one", quoted(host));
            let help = "take the line out; a certificate of your own authority is trusted with ca = \"ca.pem\"";
            return Err(field.error(&message).with_help(help));
        }
        (Some((tls, _)), _) => tls,
        (None, _) => true,
    };
    let ca = table.get("ca").map(|field| path(&field, "a file with certificates such as \"ca.pem\"", folder)).transpose()?;
    let login = |key| table.section(key)?.map(|table| login(&table)).transpose();
    let (read, write) = (login("read")?, login("write")?);
    if read.is_none() && write.is_none() {
        let help = format!("write [databases.{name}.read] with user = \"{name}_read\" and password = \"${{secret:{name}-read}}\"");
        return Err(url.at_key(format!("[databases.{name}] has no login")).with_help(help));
    }
    Ok(PostgresServer { host, port, database, tls, ca, read, write })
}

/// `postgres://host:port/database`, and nothing else.
fn address(field: &Field<'_>, name: &str) -> Result<(ServerHost, u16, String), ConfigError> {
    let example = format!("\"postgres://localhost:5432/{name}\"");
    let expected = format!("an address such as {example}");
    let text = field.text(&expected)?;
    let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
    let rest = rest.ok_or_else(|| field.wrong(&expected))?;
    if rest.contains('@') {
        // What stands there may be a password: it is not repeated.
        let help = format!("write {example}, and under [databases.{name}.read] user = \"...\" and password = \"${{secret:...}}\"");
        return Err(field.error("must not hold a user or a password").with_help(help));
    }
    if rest.contains(['?', '#']) {
        return Err(field.wrong(&expected).with_help("options are not taken from the address: there are the keys \"tls\" and \"ca\""));
    }
    let (server, database) = rest.split_once('/').unwrap_or((rest, ""));
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if database.is_empty() || !database.chars().all(is_name) {
        return Err(field.wrong(&expected).with_help("the database's name stands behind the host: a-z, A-Z, 0-9, -, _ and ."));
    }
    let (host, port) = match server.rsplit_once(':').filter(|_| !server.ends_with(']')) {
        Some((host, port)) => {
            let port = port.parse::<u16>().ok().filter(|port| *port > 0);
            (host, port.ok_or_else(|| field.wrong(&expected).with_help("a port is a number from 1 to 65535"))?)
        }
        None => (server, PORT),
    };
    Ok((server_host(host).ok_or_else(|| field.wrong(&expected))?, port, database.to_owned()))
}

/// A name, an address (of IPv6 in brackets), or the folder of a socket with `%2F` for its slashes.
fn server_host(text: &str) -> Option<ServerHost> {
    let folder = text.replace("%2F", "/").replace("%2f", "/");
    if folder.starts_with('/') {
        return Some(ServerHost::Socket(PathBuf::from(folder)));
    }
    if let Some(inner) = text.strip_prefix('[') {
        let address = inner.strip_suffix(']')?.parse::<IpAddr>().ok()?;
        return Some(ServerHost::Name(address.to_string()));
    }
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (!text.is_empty() && text.chars().all(is_host)).then(|| ServerHost::Name(text.to_owned()))
}

/// Whether what is sent there stays on this machine.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn login(table: &Table<'_>) -> Result<Login, ConfigError> {
    let user = table.require("user", "user = \"reader\"")?.text("a role of the server such as \"reader\"")?.to_owned();
    let Some(field) = table.get("password") else { return Ok(Login { user, password: None }) };
    let text = field.text("a secret such as \"${secret:main-read}\"")?;
    let secret = text.strip_prefix("${secret:").and_then(|rest| rest.strip_suffix('}')).filter(|name| is_database_name(name));
    let Some(secret) = secret else {
        // Perhaps it is the password itself: it is not repeated.
        let help = "write password = \"${secret:main-read}\", with the secret's name; the password itself does not belong here";
        return Err(field.error("must name a secret").with_help(help));
    };
    Ok(Login { user, password: Some(secret.to_owned()) })
}
