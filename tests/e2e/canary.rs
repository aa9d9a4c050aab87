//! A canary in every secret: it is where it belongs, and nowhere else.

use cofferdam::config::Config;
use cofferdam::grants::Grants;
use cofferdam::manifest::Manifest;
use cofferdam::secrets::Secrets;
use serde_json::json;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tests::client;
use tests::host::{Plugins, guest, manifest};
use tests::postgres;
use tests::process::{self, Process};
use tests::upstream::{Upstream, response};

/// In every secret, and in nothing else.
const CANARY: &str = "canary-73c1f9";
/// A secret for each place that one comes from; `token` is the one that the plugin may read.
const SECRETS: &str = "
[secrets.token]
file = \"token.secret\"
reveal = true

[secrets.header]
env = \"CANARY_HEADER\"
hosts = [\"localhost\"]

[secrets.password]
command = [\"echo\", \"canary-73c1f9-from-a-command\"]

[egress]
private = [\"127.0.0.1/32\"]
ca = \"ca.pem\"

[config.keeper]
greeting = \"no secret at all\"
";

/// A plugin whose requests get the secret put in, and one whose database has it for a password, which is wrong.
fn plugins() -> (Plugins, PathBuf, Upstream) {
    let plugins = Plugins::new();
    let upstream = Upstream::start("localhost", &plugins.scratch().join("ca.pem"), |request| match request.contains(" /gone ") {
        true => String::new(),
        false => response("200 OK", "", "hello"),
    });
    let fetcher = format!(
        "name = \"fetcher\"\n[grants.http]\nallow = [\"GET https://localhost:{}/**\"]\n[grants.http.headers.localhost]\nauthorization = \
         \"Bearer ${{secret:header}}\"\n",
        upstream.port
    );
    let server = postgres::cluster().database("").server_with_tls();
    let (Some(login), Some(ca)) = (&server.read, &server.ca) else { panic!("no login") };
    let database = format!(
        "[databases.pg]\nengine = \"postgresql\"\nurl = \"postgres://localhost:{}/{}\"\nca = {ca:?}\n[databases.pg.read]\nuser = \"{}\"\n\
         password = \"${{secret:password}}\"\n",
        server.port, server.database, login.user
    );
    let plugins = plugins
        .with_manifest("fetcher", &guest("fetcher"), &fetcher)
        .with_manifest("pg", &guest("database"), "name = \"pg\"\n[grants.sql.pg]\naccess = \"read\"\n")
        .fixture("keeper")
        .guest("hostile")
        .guest("database")
        .with_manifest("refused", &guest("keeper"), "name = \"refused\"\n[grants.secrets]\nreveal = [\"header\"]\n")
        .secret("token", &format!("{CANARY}-from-a-file\n"), true);
    let file = plugins.write_config();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text + SECRETS + &database).unwrap();
    (plugins, file, upstream)
}

/// Every way to make a host talk about what went wrong.
fn provoke(address: SocketAddr, admin: SocketAddr, upstream: u16) -> String {
    let mut said = String::new();
    let attacks = [
        "ok",
        "panic_with_secret",
        "unreachable",
        "out_of_bounds",
        "recurse_forever",
        "result_not_json",
        "breaks_output_schema",
        "loop_calling_host",
        "log_flood",
        "return_huge",
    ];
    for tool in attacks {
        let _ = writeln!(said, "{:?}", client::call(address, &format!("hostile_{tool}"), json!({})));
    }
    for name in ["header", "password", "other", "${secret:token}", "../token.secret"] {
        for tool in ["reveal", "reveal_often", "spill", "told", "told_by_draft"] {
            let _ = writeln!(said, "{:?}", client::call(address, tool, json!({ "name": name })));
        }
    }
    for tool in ["spill", "count", "told"] {
        let _ = writeln!(said, "{:?}", client::call(address, tool, json!({ "name": "token" })));
    }
    let _ = writeln!(said, "{:?}", client::call(address, "told_all", json!({})));
    for url in ["localhost:{}/", "localhost:{}/gone", "127.0.0.1:{}/", "localhost:1/"] {
        let url = format!("https://{}", url.replace("{}", &upstream.to_string()));
        for tool in ["fetcher_fetch", "fetcher_standard"] {
            let _ = writeln!(said, "{:?}", client::call(address, tool, json!({ "url": url })));
        }
    }
    let _ = writeln!(said, "{:?}", client::call(address, "pg_query", json!({"sql": "SELECT 1"})));
    let _ = writeln!(said, "{:?}", client::call(address, "told", json!({ "name": 5 })));
    for path in ["/healthz", "/livez", "/readyz", "/status", "/metrics", "/config", "/debug", "/"] {
        for to in [address, admin] {
            let _ = writeln!(
                said,
                "{:?}",
                client::raw(to, format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").as_bytes())
            );
        }
    }
    said
}

#[test]
fn d16_secret_canary() {
    let (plugins, file, upstream) = plugins();
    let host = Process::start(&file, "trace", &[("CANARY_HEADER", &format!("{CANARY}-from-the-environment"))]);
    // Where it belongs: with the plugin that may read it, and with whom that plugin tells.
    assert_eq!(client::call(host.address, "reveal", json!({"name": "token"})).text(), format!("{CANARY}-from-a-file"));
    let said = provoke(host.address, host.admin, upstream.port);
    // And with the upstream that the operator bound it to.
    let sent = upstream.requests();
    assert!(!sent.is_empty() && sent.iter().all(|request| request.contains(&format!("Bearer {CANARY}-from-the-environment"))), "{sent:?}");
    assert!(said.contains("hello") && said.contains("the database is not available"), "{said}");
    assert!(said.contains("no secret at all") && said.contains("the plugin failed"), "{said}");
    let banner = host.banner.clone();
    assert!(banner.contains("secret token (reveal)") && banner.contains("REFUSED"), "{banner}");
    let log = host.end();
    assert!(log.contains("TRACE") && log.contains("denied: secrets") && log.contains("the secret is ***"), "the log has no trace");
    for (place, text) in [("an answer", said), ("the start-up table", banner), ("the log", log)] {
        let at = text.find("canary");
        assert_eq!(at, None, "{place}: {}", at.map_or("", |at| &text[at.saturating_sub(500)..]));
    }
    commands_and_types(&file, plugins.scratch());
}

/// What prints without a host that runs.
fn commands_and_types(file: &Path, scratch: &Path) {
    let limits = process::output(&["limits", "--config", &file.to_string_lossy()]);
    assert!(limits.contains("secret_bytes_max"), "{limits}");
    let config = Config::load(Some(file)).unwrap();
    let manifest = Manifest::parse(&manifest("keeper"), "plugin.toml").unwrap();
    let grants = Grants::resolve(&manifest, &config.offered()).unwrap();
    let canary = |_: &str| Some(format!("{CANARY}-from-the-environment"));
    let secrets = Secrets::with_environment(&config.secret_sources(), canary);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let call = secrets.for_call();
    let read = runtime.block_on(async {
        let mut read = Vec::new();
        for name in ["token", "header", "password", "missing"] {
            read.push(call.get(name).await);
        }
        read
    });
    assert!(read[..3].iter().all(|secret| secret.as_ref().unwrap().expose().starts_with(CANARY)));
    // The command's own line is the operator's, and has this canary in it; nobody else's has.
    let config = format!("{config:?}").replace("canary-73c1f9-from-a-command", "");
    for text in [limits, config, format!("{manifest:?} {grants:?} {:?} {secrets:?} {call:?} {read:?}", grants.summary())] {
        assert!(!text.contains("canary"), "{text}");
    }
    assert!(scratch.join("token.secret").exists());
}
