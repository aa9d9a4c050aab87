//! What to say when a component imports an interface that is not linked.

/// What the contract's interfaces are for, so that a plugin's author knows which end of one to hold.
const EXPORTED: [&str; 9] = ["catalog", "query", "query-batch", "update", "subscribe", "webhook", "prompts", "resources", "completion"];

/// Versions of `wasi:config/store` that are linked for a plugin that has values.
const CONFIG_VERSIONS: [&str; 3] = ["0.2.0-rc.1", "0.2.0-draft", "0.2.0-draft-2024-09-27"];
const HTTP: &str = "The plugin makes HTTP requests; write in plugin.toml which, for example:\n[grants.http]\nallow = [\"GET https://api.example.com/v1/**\"]";

/// What to do about an import that is not there: for `cofferdam:mcp/sql` the lines for the manifest, for what this version does not
/// offer a sentence that says so, to stand behind another one. None when nothing is known about the interface, or when it is there for
/// every plugin.
#[must_use]
pub fn missing_import_help(interface: &str) -> Option<String> {
    let (name, version) = interface.split_once('@').unwrap_or((interface, ""));
    let (package, interface) = name.split_once('/')?;
    match package {
        "cofferdam:mcp" => contract(interface),
        _ => wasi(package, version).map(str::to_owned),
    }
}

fn contract(interface: &str) -> Option<String> {
    match interface {
        "host" | "types" => None,
        "sql" => Some(
            "The plugin uses a database; name it in plugin.toml as the operator does in cofferdam.toml, for example:\n\
             [grants.sql.main]\naccess = \"read\""
                .to_owned(),
        ),
        "keyvalue" => Some("The plugin keeps values of its own; write in plugin.toml:\n[grants.keyvalue]\naccess = \"write\"".to_owned()),
        "secrets" => Some(
            "The plugin reads secrets; name them in plugin.toml as the operator does in cofferdam.toml, for example:\n\
             [grants.secrets]\nreveal = [\"example-token\"]"
                .to_owned(),
        ),
        "http" => Some(HTTP.to_owned()),
        "client" => Some("The plugin reports progress to clients, or logs to them; write in plugin.toml:\n[grants.client]".to_owned()),
        "changes" => Some("The plugin tells clients what changed; write in plugin.toml:\n[grants.changes]".to_owned()),
        "events" => Some(
            "The plugin publishes events; name their topics in plugin.toml as its catalog does, for example:\n\
             [grants.events]\ntopics = [\"edits\"]"
                .to_owned(),
        ),
        exported if EXPORTED.contains(&exported) => {
            Some(format!("An interface to export: a plugin does not import cofferdam:mcp/{exported}"))
        }
        _ => Some("This version of cofferdam:mcp has no such interface; the plugin was built for a newer host".to_owned()),
    }
}

fn wasi(package: &str, version: &str) -> Option<&'static str> {
    let help = match package {
        _ if package.starts_with("wasi:") && version.starts_with("0.3") => {
            "This version links WASI 0.2 only; build the plugin for wasm32-wasip2"
        }
        "wasi:sockets" => {
            "Plugins have no sockets; what they reach goes through the host: requests ([grants.http]) and databases ([grants.sql.<database>])"
        }
        "wasi:filesystem" => "Plugins see the folders that the operator names and their manifest asks for ([grants.files.<folder>])",
        "wasi:keyvalue" => {
            "Plugins keep values with cofferdam:mcp/keyvalue, which has the same functions without 64-bit numbers: build the plugin against it, with [grants.keyvalue] in plugin.toml"
        }
        "wasi:config" if CONFIG_VERSIONS.contains(&version) => {
            "The plugin is told values; write them in plugin.toml with what holds when the operator says nothing, for example:\n\
             [config]\nlanguage = \"en\""
        }
        "wasi:config" => "This host speaks wasi:config/store@0.2.0-rc.1; build the plugin against that version",
        "wasi:logging" => "This host speaks wasi:logging/logging@0.1.0-draft; build the plugin against that version",
        "wasi:http" => HTTP,
        "wasi:messaging" => "Plugins cannot send messages in this version",
        "wasi:blobstore" => {
            "Plugins have no blob store; data goes in a folder ([grants.files.<folder>]) or in a database ([grants.sql.<database>])"
        }
        "wasi:nn" => "Plugins run no neural networks in the host",
        _ => return None,
    };
    Some(help)
}
