//! Configurations as operators write them, good and bad: the cases are in `tests/cases/config`.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{Config, Database, LogFormat, TaskStore};
use crate::limits::Limits;
use crate::manifest::golden;

/// The configuration, and those rows of its limits that the operator changed.
fn shown(config: &Config) -> String {
    let (rows, default) = (config.limits().rows(), Limits::default().rows());
    let changed = rows.iter().zip(&default).filter(|(row, default)| row.value != default.value);
    let changed: String = changed.map(|(row, default)| format!("{}: {} -> {}\n", row.name, default.value, row.value)).collect();
    let Config { file, plugins, state, listen, http, egress, .. } = config;
    let Config { databases, folders, keyvalue, secrets, config: values, ceiling, tasks, limits: _, log, .. } = config;
    let rest = ((file, plugins, state, listen, http, egress), (databases, folders, keyvalue, secrets, values, ceiling, tasks, log));
    format!("{rest:#?}\n{changed}")
}

#[test]
fn every_case_gives_what_it_is_expected_to_give() {
    golden::check(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/cases/config"), 4, 20, |text| {
        let config = Config::parse(text, Path::new("/etc/cofferdam/cofferdam.toml"));
        config.map(|config| shown(&config))
    });
}

#[test]
fn the_default_listens_to_this_machine_only_and_offers_nothing() {
    let config = Config::default();
    assert_eq!(config.listen.http, SocketAddr::from(([127, 0, 0, 1], 8484)));
    assert_eq!(config.listen.admin, SocketAddr::from(([127, 0, 0, 1], 8485)));
    assert!(config.http.allowed_hosts.is_empty() && config.http.allowed_origins.is_empty());
    assert!(config.databases.is_empty() && config.offered().databases.is_empty());
    assert_eq!((config.tasks.store, config.tasks_file()), (TaskStore::Sqlite, PathBuf::from(".cofferdam/tasks.db")));
    assert_eq!(config.limits(), Limits::default());
    assert_eq!((config.log.filter.as_str(), config.log.format), ("info", LogFormat::Text));
    assert_eq!(Config::parse("", Path::new("cofferdam.toml")), Ok(Config { file: Some("cofferdam.toml".into()), ..config }));
}

#[test]
fn a_named_file_has_to_exist_and_its_folder_is_where_paths_begin() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("host.toml");
    let missing = Config::load(Some(&file)).unwrap_err();
    assert!(missing.to_string().contains("host.toml: the configuration cannot be read: "), "{missing}");
    assert_eq!((missing.line, missing.key), (0, None));
    assert!(Config::load(Some(folder.path())).unwrap_err().to_string().contains("cannot be read"), "a folder");

    fs::write(&file, "plugins = \"p\"\n[databases.main]\nengine = \"sqlite\"\npath = \"/srv/main.db\"\ninit = \"sql/main.sql\"").unwrap();
    let config = Config::load(Some(&file)).unwrap();
    assert_eq!(config.plugins, folder.path().join("p"));
    assert_eq!(config.state, folder.path().join(".cofferdam"));
    let Database::Sqlite(main) = &config.databases["main"] else { panic!("SQLite") };
    assert_eq!(main.path, PathBuf::from("/srv/main.db"));
    assert_eq!(main.init, Some(folder.path().join("sql/main.sql")));
    assert_eq!(config.offered().databases.len(), 1);
}

#[test]
fn a_file_that_is_huge_or_not_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cofferdam.toml");
    let refused = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        Config::load(Some(&file)).unwrap_err().to_string()
    };
    assert!(refused(&vec![b'#'; 10 << 20]).ends_with("cofferdam.toml: the file is larger than 256KiB"));
    // The limit cuts the last character in two.
    let cut = format!("#{}", "é".repeat(256 << 10));
    assert!(refused(cut.as_bytes()).ends_with("cofferdam.toml: the file is larger than 256KiB"));
    let latin = refused(b"plugins = \"p\"\n# caf\xe9 \n");
    assert!(latin.ends_with("cofferdam.toml:2:6: not valid TOML: this is not UTF-8 text"), "{latin}");
    let end = refused(b"plugins = \"p\"\n# caf\xc3");
    assert!(end.ends_with("cofferdam.toml:2:6: not valid TOML: this is not UTF-8 text"), "{end}");
}

#[test]
fn a_host_that_others_reach_has_names_for_them() {
    let parse = |text: &str| Config::parse(text, Path::new("cofferdam.toml"));
    for address in ["0.0.0.0:8484", "192.168.0.7:8484", "[::]:8484", "[2001:db8::1]:8484", "[::ffff:192.168.0.7]:8484"] {
        let text = format!("[listen]\nhttp = \"{address}\"\nadmin = \"127.0.0.1:9\"");
        assert!(parse(&text).unwrap_err().to_string().contains("DNS rebinding"), "{address}");
        assert!(parse(&format!("{text}\n[http]\nallowed_hosts = [\"mcp.example.com\"]")).is_ok(), "{address}");
    }
    for address in ["127.0.0.1:0", "127.9.9.9:8484", "[::1]:8484", "[::ffff:127.0.0.1]:8484"] {
        assert!(parse(&format!("[listen]\nhttp = \"{address}\"")).is_ok(), "{address}");
    }
}

#[test]
fn m10_no_folder_holds_the_configuration() {
    for path in ["/etc", "/etc/cofferdam"] {
        let refused = Config::parse(&format!("[folders.docs]\npath = {path:?}"), Path::new("/etc/cofferdam/cofferdam.toml"));
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.starts_with("/etc/cofferdam/cofferdam.toml:2:8: ") && refused.contains("or one above it; name a folder in it"),
            "{refused}"
        );
    }
}

#[test]
fn every_key_of_the_limits_sets_a_row_of_the_table() {
    let rows = Limits::default().rows();
    let set: Vec<_> = rows.iter().filter_map(|row| Config::limit_key(row.name)).collect();
    let sections = super::keys::SHAPE.sections.iter().filter(|section| section.name == "limits");
    for key in sections.flat_map(|section| section.keys) {
        assert_eq!(set.iter().filter(|set| **set == key.name).count(), 1, "{}", key.name);
    }
}
