//! From the text of `cofferdam.toml` to a `Config` that holds together.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing_subscriber::filter::EnvFilter;

use super::databases::databases;
use super::{AllowedHost, AllowedOrigin, Config, ConfigError, Http, Listen, Log, LogFormat, TaskStore, Tasks};
use super::{keys, storage};
use crate::grants::Ceiling;
use crate::ids::PluginName;
use crate::limits::Limits;
use crate::manifest::{
    Consequences, Document, Field, MEMORY_PAGE_BYTES, Place, TIME_MIN, Table, all_findings, capabilities, closest, config_values,
};

const TASK_STORES: &[(&str, TaskStore)] = &[("sqlite", TaskStore::Sqlite), ("memory", TaskStore::Memory)];
const FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Reads a configuration whose relative paths begin at the folder of `file`.
pub(super) fn config(text: &str, file: &Path) -> Result<Config, ConfigError> {
    let shown = file.display().to_string();
    read(&Document::parse(text, &shown, &keys::SHAPE)?, file)
}

/// What is said about the second key is not true any more when the first was left out.
const CONSEQUENCES: Consequences =
    &[("http.allowed_hosts", "listen"), ("listen.http", "listen.admin"), ("listen.admin", "listen.http"), ("plugins", "state")];

/// The same with everything that is wrong.
pub(super) fn findings(text: &str, file: &Path) -> Result<Config, Vec<ConfigError>> {
    let shown = file.display().to_string();
    let document = Document::parse(text, &shown, &keys::SHAPE).map_err(|error| vec![error])?;
    all_findings(document, CONSEQUENCES, |document| read(document, file))
}

fn read(document: &Document<'_>, file: &Path) -> Result<Config, ConfigError> {
    let root = document.root()?;
    let folder = file.parent().unwrap_or(Path::new(""));
    let mut config = Config { file: Some(file.to_owned()), ..Config::default() };
    config.plugins = folder.join(config.plugins);
    config.state = folder.join(config.state);
    if let Some(field) = root.get("plugins") {
        config.plugins = path(&field, "a folder such as \"plugins\"", folder)?;
    }
    if let Some(field) = root.get("state") {
        config.state = path(&field, "a folder such as \".cofferdam\"", folder)?;
        if config.state == config.plugins {
            return Err(field.error("must be another folder than \"plugins\"").with_help("write \".cofferdam\", or leave the key out"));
        }
    }
    if let Some(table) = root.section("http")? {
        config.http = http(&table)?;
    }
    if let Some(table) = root.section("listen")? {
        config.listen = listen(&table, &config.listen, &config.http)?;
    }
    if let Some(table) = root.section("egress")? {
        config.egress = super::egress::egress(&table, folder)?;
    }
    if let Some(table) = root.section("databases")? {
        config.databases = databases(&table, folder)?;
    }
    if let Some(table) = root.section("ceiling")? {
        config.ceiling = ceiling(&table)?;
    }
    if let Some(table) = root.section("secrets")? {
        config.secrets = super::secrets::secrets(&table, folder)?;
    }
    if let Some(table) = root.section("folders")? {
        config.folders = storage::folders(&table, &config, folder)?;
    }
    if let Some(table) = root.section("keyvalue")? {
        config.keyvalue = storage::key_value(&table, &config.keyvalue)?;
    }
    if let Some(table) = root.section("config")? {
        config.config = plugins_config(&table)?;
    }
    if let Some(table) = root.section("tasks")? {
        config.tasks = tasks(&table, &config.tasks)?;
    }
    if let Some(table) = root.section("limits")? {
        config.limits = limits(&table)?;
    }
    if let Some(table) = root.section("log")? {
        config.log = log(&table, config.log)?;
    }
    Ok(config)
}

/// The error for a file that is not text, at the byte where it ceases to be.
pub(super) fn not_utf8(bytes: &[u8], good: usize, file: &str) -> ConfigError {
    let text = bytes.get(..good).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default();
    ConfigError::at(file, Place::of(text, good), "not valid TOML: this is not UTF-8 text")
}

/// A path, from the configuration's folder on.
pub(super) fn path(field: &Field<'_>, expected: &str, folder: &Path) -> Result<PathBuf, ConfigError> {
    let text = field.text(expected)?;
    if text.starts_with('~') {
        return Err(field.wrong(expected).with_help("~ is not expanded: write the folder in full"));
    }
    if text.starts_with("file:") || text.contains("://") {
        return Err(field.wrong(expected).with_help("write a path, not a URL"));
    }
    if text.starts_with(":memory:") {
        let why = "a database in memory would be another one for every connection: write a file's path";
        return Err(field.wrong(expected).with_help(why));
    }
    Ok(folder.join(text))
}

fn http(table: &Table<'_>) -> Result<Http, ConfigError> {
    let hosts = "hosts such as \"mcp.example.com\" or \"mcp.example.com:8443\"";
    let origins = "origins such as \"https://app.example.com\"";
    Ok(Http {
        allowed_hosts: exact(table, "allowed_hosts", hosts, AllowedHost::parse)?,
        allowed_origins: exact(table, "allowed_origins", origins, AllowedOrigin::parse)?,
        legacy_sse: table.get("legacy_sse").map(|field| field.flag()).transpose()?.unwrap_or(false),
    })
}

fn exact<T>(table: &Table<'_>, key: &str, expected: &str, parse: fn(&str) -> Result<T, String>) -> Result<Vec<T>, ConfigError> {
    let list = format!("a list of {expected}");
    let fields = table.get(key).map(|field| field.list(&list)).transpose()?.unwrap_or_default();
    let one = |field: &Field<'_>| parse(field.text(expected)?).map_err(|why| field.wrong(expected).with_help(why));
    fields.iter().map(one).collect()
}

fn listen(table: &Table<'_>, default: &Listen, http: &Http) -> Result<Listen, ConfigError> {
    let read = |key| table.get(key).map(|field| address(&field, http)).transpose();
    let listen = Listen { http: read("http")?.unwrap_or(default.http), admin: read("admin")?.unwrap_or(default.admin) };
    let (one, other) = (listen.http, listen.admin);
    let overlap = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    match table.get("admin").or_else(|| table.get("http")) {
        Some(field) if overlap && one.port() == other.port() && one.port() != 0 => {
            let message = format!("must leave the other a port of its own: \"http\" is {one} and \"admin\" is {other}");
            let free = SocketAddr::new(other.ip(), if one.port() == 8485 { 8484 } else { 8485 });
            let help = if field.key() == "admin" {
                format!("write \"{free}\"")
            } else {
                "write another port, or one for \"admin\" too".to_owned()
            };
            Err(field.error(&message).with_help(help))
        }
        _ => Ok(listen),
    }
}

fn address(field: &Field<'_>, http: &Http) -> Result<SocketAddr, ConfigError> {
    let expected = "an address and a port such as \"127.0.0.1:8484\"";
    let wrong = || field.wrong(expected).with_help_if(address_help(field.shown().trim_matches('"')));
    let address: SocketAddr = field.text(expected).ok().and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
    if !address.ip().to_canonical().is_loopback() && http.allowed_hosts.is_empty() {
        let message = "is open to other machines, but [http] allows no host: as a guard against DNS rebinding, requests that name \
                       another host than this machine's loopback are refused, so nobody could call";
        let help = "write allowed_hosts in [http], with the names that clients call this host by: [\"mcp.example.com\"]";
        return Err(field.error(message).with_help(help));
    }
    Ok(address)
}

/// What somebody probably meant who wrote something close to an address.
fn address_help(text: &str) -> Option<String> {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest).trim_end_matches('/');
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(format!("add a port: \"{}\"", SocketAddr::new(ip, 8484)));
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let Ok(port) = port.parse::<u16>() else {
        return Some("a port is a number up to 65535".to_owned());
    };
    match (host, text.parse::<SocketAddr>()) {
        (_, Ok(address)) => Some(format!("write \"{address}\"")),
        ("localhost", _) => Some(format!("write \"127.0.0.1:{port}\"")),
        ("" | "*", _) => Some(format!("write \"127.0.0.1:{port}\" for this machine only, or \"0.0.0.0:{port}\" for all")),
        _ => Some(format!("write an address of this machine, or \"0.0.0.0:{port}\" for all; names go into allowed_hosts of [http]")),
    }
}

fn ceiling(table: &Table<'_>) -> Result<Ceiling, ConfigError> {
    let names: Vec<_> = capabilities().into_iter().map(|name| (name, name)).collect();
    let fields = table.get("grants").map(|field| field.list("a list of capabilities such as [\"client\", \"sql\"]")).transpose()?;
    let read = |fields: Vec<Field<'_>>| fields.iter().map(|field| field.choice(&names).map(str::to_owned)).collect();
    Ok(Ceiling { grants: fields.map(read).transpose()? })
}

fn plugins_config(table: &Table<'_>) -> Result<BTreeMap<String, BTreeMap<String, String>>, ConfigError> {
    let mut plugins = BTreeMap::new();
    for (field, values) in table.named_sections()? {
        if let Err(error) = PluginName::parse(field.key()) {
            return Err(field.at_key(error.to_string()).with_help("write the plugin's name, as its manifest has it"));
        }
        plugins.insert(field.key().to_owned(), config_values(&values)?);
    }
    Ok(plugins)
}

fn tasks(table: &Table<'_>, default: &Tasks) -> Result<Tasks, ConfigError> {
    let store = table.get("store").map(|field| field.choice(TASK_STORES)).transpose()?;
    Ok(Tasks { store: store.unwrap_or(default.store) })
}

fn limits(table: &Table<'_>) -> Result<Limits, ConfigError> {
    let mut limits = Limits::default();
    let size = |row: &mut usize, key, least, most| set(row, table.get(key), |field| field.size(least..=most));
    size(&mut limits.guest_memory_bytes_max, "guest_memory", MEMORY_PAGE_BYTES, limits.guest_memory_bytes_hard)?;
    size(&mut limits.output_bytes_max, "output", 1, usize::MAX)?;
    size(&mut limits.body_bytes_max, "body", 1, usize::MAX)?;
    size(&mut limits.component_bytes_max, "component", 1, usize::MAX)?;
    size(&mut limits.http_response_bytes_max, "http_response", 1, limits.http_response_bytes_hard)?;
    let time = |row: &mut Duration, key, most| set(row, table.get(key), |field| field.duration(TIME_MIN..=most));
    time(&mut limits.cpu_time_max, "cpu_time", limits.cpu_time_hard)?;
    time(&mut limits.wall_time_max, "wall_time", limits.wall_time_hard)?;
    time(&mut limits.sql_statement_time_max, "sql_statement_time", Duration::MAX)?;
    time(&mut limits.http_time_max, "http_time", Duration::MAX)?;
    time(&mut limits.drain_time_max, "drain_time", Duration::MAX)?;
    let count = |row: &mut usize, key| set(row, table.get(key), |field| Ok(usize::try_from(field.count()?).unwrap_or(usize::MAX)));
    count(&mut limits.calls_max, "calls")?;
    count(&mut limits.tenant_calls_max, "tenant_calls")?;
    count(&mut limits.plugin_calls_max, "plugin_calls")?;
    count(&mut limits.connections_max, "connections")?;
    count(&mut limits.compiles_max, "compiles")?;
    count(&mut limits.subscriptions_per_tenant_max, "subscriptions")?;
    count(&mut limits.subscriptions_per_caller_max, "caller_subscriptions")?;
    set(&mut limits.events_per_second_max, table.get("events_per_second"), |field| field.count())?;
    set(&mut limits.sql_rows_max, table.get("sql_rows"), |field| field.count())?;
    Ok(limits)
}

/// Puts the value of a key, if it is there, in the place of a row.
fn set<T>(row: &mut T, field: Option<Field<'_>>, read: impl Fn(&Field<'_>) -> Result<T, ConfigError>) -> Result<(), ConfigError> {
    if let Some(field) = field {
        *row = read(&field)?;
    }
    Ok(())
}

fn log(table: &Table<'_>, default: Log) -> Result<Log, ConfigError> {
    let format = table.get("format").map(|field| field.choice(FORMATS)).transpose()?;
    let filter = table.get("filter").map(|field| log_filter(&field)).transpose()?;
    Ok(Log { filter: filter.unwrap_or(default.filter), format: format.unwrap_or(default.format) })
}

fn log_filter(field: &Field<'_>) -> Result<String, ConfigError> {
    let expected = "log levels such as \"info\" or \"warn,cofferdam=debug\"";
    let text = field.text(expected)?;
    // A misspelt level would be taken for a target's name, and silence everything else.
    for word in text.split(',').map(str::trim).filter(|word| !word.contains(['=', ':', '['])) {
        let level = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
        if let Some(near) = closest(word, LEVELS).filter(|_| !level) {
            return Err(field.wrong(expected).with_help(format!("did you mean \"{near}\"?")));
        }
    }
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(field.wrong(expected)),
    }
}
