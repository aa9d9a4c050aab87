//! Grants: what a manifest gets of what it asks for.

use std::time::Duration;

use super::{
    Access, Ceiling, Engine, Grants, MissingImports, Offered, SqlGrant, call_limits, effective, missing_import_help, over_granted,
};
use crate::limits::{CallLimits, Limits};
use crate::manifest::Manifest;

fn manifest(more: &str) -> Manifest {
    Manifest::parse(&format!("name = \"tickets\"\n{more}"), "plugins/tickets/plugin.toml").unwrap()
}

fn offered(databases: &[&str]) -> Offered {
    let databases = databases.iter().map(|name| ((*name).to_owned(), Engine::Sqlite)).collect();
    Offered { databases, ..Offered::default() }
}

#[test]
fn a_plugin_gets_only_what_its_manifest_names() {
    let grants = Grants::resolve(&manifest("[grants.sql.main]\naccess = \"read\""), &offered(&["main", "audit"])).unwrap();
    assert_eq!(grants.sql.keys().collect::<Vec<_>>(), ["main"]);
    assert_eq!(grants.summary(), ["sql main (read)"]);
    let none = Grants::resolve(&manifest(""), &offered(&["main", "audit"])).unwrap();
    assert_eq!((none.summary().len(), none), (0, Grants::default()));
}

#[test]
fn nobody_gets_more_than_the_ceiling() {
    let wants = manifest("\n[grants.client]\n[grants.sql.main]\naccess = \"read\"");
    let under = |names: &[&str]| {
        let grants = Some(names.iter().map(|name| (*name).to_owned()).collect());
        Grants::resolve(&wants, &Offered { ceiling: Ceiling { grants }, ..offered(&["main"]) }).map_err(|error| error.to_string())
    };
    assert_eq!(under(&["client", "sql"]).unwrap().summary(), ["client", "sql main (read)"]);
    let refused = under(&["client", "changes"]).unwrap_err();
    assert_eq!(
        refused,
        "plugins/tickets/plugin.toml:4:9: [grants.sql] asks for more than the operator's ceiling: plugins are granted \"changes\" and \
         \"client\" at most; take it out, or the operator adds \"sql\" to \"grants\" in [ceiling] of cofferdam.toml"
    );
    assert!(under(&[]).unwrap_err().contains("no plugin is granted anything"));
}

#[test]
fn of_every_limit_of_a_database_the_lower_holds() {
    let limits = Limits::default();
    let text = "[grants.sql.low]\naccess = \"write\"\nrows_max = 7\ntimeout = \"20ms\"\n\
                [grants.sql.high]\naccess = \"read\"\nrows_max = 4000000000\ntimeout = \"1h\"\n\
                [grants.sql.none]\naccess = \"read\"";
    let grants = Grants::resolve(&manifest(text), &offered(&["low", "high", "none"])).unwrap();
    let low = SqlGrant { access: Access::Write, rows_max: 7, statement_time_max: Duration::from_millis(20) };
    let host = SqlGrant { access: Access::Read, rows_max: limits.sql_rows_max, statement_time_max: limits.sql_statement_time_max };
    assert_eq!((&grants.sql["low"], &grants.sql["high"], &grants.sql["none"]), (&low, &host, &host));
    assert_eq!(grants.summary(), ["sql high (read)", "sql low (write)", "sql none (read)"]);
}

#[test]
fn of_every_limit_of_a_call_the_lower_holds() {
    let host = Limits::default();
    assert_eq!(call_limits(&manifest(""), &host), host.call());
    let high = "[limits]\nmemory = \"100GiB\"\ntimeout = \"1h\"\ncpu = \"1h\"\noutput = \"1GiB\"\nconcurrency = 4294967295";
    assert_eq!(call_limits(&manifest(high), &host), host.call());
    let low = "[limits]\nmemory = \"1MiB\"\ntimeout = \"2s\"\ncpu = \"30ms\"\noutput = \"4KiB\"\nconcurrency = 3";
    let expected = CallLimits {
        memory_bytes_max: 1 << 20,
        cpu_time_max: Duration::from_millis(30),
        wall_time_max: Duration::from_secs(2),
        output_bytes_max: 4 << 10,
        concurrency_max: 3,
    };
    assert_eq!(call_limits(&manifest(low), &host), expected);
}

#[test]
fn an_unknown_database_is_refused_with_the_line_the_known_ones_and_what_to_write() {
    let wants = manifest("\n[grants.sql.tikets]\naccess = \"read\"");
    let refused = |names: &[&str]| Grants::resolve(&wants, &offered(names)).unwrap_err();
    let add = "the operator adds it to cofferdam.toml: [databases.tikets] with engine = \"sqlite\" and path = \"tikets.db\"";
    let begin = "plugins/tickets/plugin.toml:3:13: [grants.sql.tikets] asks for a database that the operator does not offer: ";
    for (names, rest) in [
        (&[][..], format!("cofferdam.toml names none; {add}")),
        (&["main"], format!("cofferdam.toml names only \"main\"; {add}")),
        (&["main", "tickets"], format!("cofferdam.toml names \"main\" and \"tickets\"; did you mean [grants.sql.tickets]? If not, {add}")),
    ] {
        assert_eq!(refused(names).to_string(), format!("{begin}{rest}"));
    }
    assert_eq!(refused(&[]).key.as_deref(), Some("grants.sql.tikets"));
}

#[test]
fn a_missing_import_is_answered_with_lines_for_the_manifest_or_a_reason() {
    let sql = missing_import_help("cofferdam:mcp/sql@0.1.0").unwrap();
    assert!(sql.ends_with(":\n[grants.sql.main]\naccess = \"read\""), "{sql}");
    let lines = sql.split_once('\n').unwrap().1;
    assert!(manifest(lines).grants.sql.contains_key("main"), "the lines are a manifest's");
    for (interface, part) in [
        ("cofferdam:mcp/sql", "[grants.sql.main]"),
        ("cofferdam:mcp/client@0.1.0", "[grants.client]"),
        ("cofferdam:mcp/changes@0.1.0", "[grants.changes]"),
        ("cofferdam:mcp/query@0.1.0", "does not import cofferdam:mcp/query"),
        ("cofferdam:mcp/teleport@0.9.0", "newer host"),
        ("wasi:sockets/tcp@0.2.3", "no sockets"),
        ("wasi:filesystem/types@0.2.0", "[grants.files.<folder>]"),
        ("wasi:keyvalue/store@0.2.0-draft", "cofferdam:mcp/keyvalue"),
        ("cofferdam:mcp/keyvalue@0.1.0", "[grants.keyvalue]\naccess = \"write\""),
        ("cofferdam:mcp/http@0.1.0", "[grants.http]"),
        ("wasi:http/outgoing-handler@0.2.0", "[grants.http]"),
        ("wasi:http/types@0.3.0", "WASI 0.2 only"),
        ("wasi:clocks/monotonic-clock@0.3.0", "WASI 0.2 only"),
    ] {
        let help = missing_import_help(interface).unwrap();
        assert!(help.contains(part), "{interface}: {help}");
    }
    for known_or_foreign in ["cofferdam:mcp/host@0.1.0", "cofferdam:mcp/types@0.1.0", "acme:kv/store", "run", ""] {
        assert_eq!(missing_import_help(known_or_foreign), None, "{known_or_foreign}");
    }
}

#[test]
fn what_holds_of_what_was_asked_says_who_said_so() {
    let wants =
        manifest("[limits]\nmemory = \"1GiB\"\ntimeout = \"10s\"\n[grants.sql.main]\naccess = \"read\"\nrows_max = 5000\ntimeout = \"2s\"");
    let limits = Limits::default();
    let grants = Grants::resolve(&wants, &offered(&["main"])).unwrap();
    let shown: Vec<_> = effective(&wants, &grants, &limits).iter().map(ToString::to_string).collect();
    let expected = [
        "memory 64MiB (operator, manifest asks 1GiB)",
        "timeout 10s (manifest)",
        "cpu 1s (operator)",
        "output 4MiB (operator)",
        "concurrency 64 (operator)",
        "sql main: rows_max 1000 (operator, manifest asks 5000)",
        "sql main: timeout 2s (manifest)",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn what_is_granted_and_not_imported_is_too_much() {
    let wants = manifest("[grants.client]\n[grants.changes]\n[grants.sql.main]\naccess = \"read\"");
    let grants = Grants::resolve(&wants, &offered(&["main"])).unwrap();
    let imports = |names: &[&str]| names.iter().map(|name| format!("cofferdam:mcp/{name}@0.1.0")).collect::<Vec<_>>();
    assert_eq!(over_granted(&grants, &imports(&["host", "client", "changes", "sql"])), Vec::<String>::new());
    let unused = over_granted(&grants, &imports(&["host", "changes"]));
    let not_used = |grant: &str| format!("granted but not used: {grant}; the component does not import it");
    assert_eq!(unused, [not_used("client"), not_used("sql main (read)")]);
    assert_eq!(over_granted(&Grants::default(), &imports(&["sql"])), Vec::<String>::new());
}

#[test]
fn missing_imports_are_told_together_with_one_piece_to_paste() {
    let missing = |names: &[&str]| MissingImports(names.iter().map(|name| (*name).to_owned()).collect());
    let both = missing(&["cofferdam:mcp/client@0.1.0", "cofferdam:mcp/sql@0.1.0"]);
    let lines = "[grants.client]\n[grants.sql.main]\naccess = \"read\"";
    assert_eq!(both.manifest_lines(), lines);
    assert!(both.to_string().ends_with(&format!(". Write in plugin.toml, with the operator's names:\n{lines}")), "{both}");
    assert!(!manifest(&both.manifest_lines()).grants.sql.is_empty(), "the lines are a manifest's");
    let mixed = missing(&["wasi:http/types@0.2.0", "cofferdam:mcp/client@0.1.0", "acme:kv/store", "run"]);
    let text = mixed.to_string();
    for part in
        ["acme:kv/store: This host does not offer it", "run: Plugins import interfaces", "\nFor the others, write", "\n[grants.client]"]
    {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(
        missing(&["acme:kv/store"]).to_string(),
        "the component imports acme:kv/store, which it was not granted. This host does not offer it"
    );
    assert!(!missing(&["acme:kv/store"]).has_help() && mixed.has_help());
}

#[test]
fn a_webhook_needs_a_secret_that_the_operator_offers() {
    let text = "[grants.webhooks.pushes]\nsignature = \"github\"\nsecret = \"hook-key\"\n\
                [grants.webhooks.\"deploys/{service}\"]\nsignature = \"hmac-sha256\"\nsecret = \"hook-key\"\ntolerance = \"1m\"\nheader = \"X-Acme\"";
    let with = |name: &str| {
        let secrets = [(name.to_owned(), super::OfferedSecret::default())].into();
        Grants::resolve(&manifest(text), &Offered { secrets, ..Offered::default() })
    };
    let grants = with("hook-key").unwrap();
    assert_eq!(grants.summary(), ["webhooks pushes (github)", "webhooks deploys/{service} (hmac-sha256)"]);
    let [pushes, deploys] = grants.webhooks.as_slice() else { panic!("{grants:?}") };
    assert_eq!((pushes.tolerance, deploys.tolerance), (Duration::from_secs(300), Duration::from_secs(60)));
    assert_eq!((deploys.header.as_str(), deploys.timestamp_header.as_str()), ("x-acme", "x-timestamp"));
    assert_eq!(
        with("hook-kee").unwrap_err().to_string(),
        "plugins/tickets/plugin.toml:2:18: the webhook \"pushes\" is verified with the secret \"hook-key\", which the operator does not \
         offer; did you mean \"hook-kee\"? If not, the operator adds [secrets.hook-key] to cofferdam.toml"
    );
}
