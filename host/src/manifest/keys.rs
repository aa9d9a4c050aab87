//! Every key of `plugin.toml`. A field that this version does not enforce is not here, and so it is unknown.

use super::sections::{Key, Kind, Section, Shape};

pub(crate) const SHAPE: Shape = Shape { sections: SECTIONS, other: ("the operator's cofferdam.toml", OPERATORS) };

const OPERATORS: &[&str] =
    &["plugins", "state", "listen", "http", "databases", "folders", "keyvalue", "secrets", "ceiling", "tasks", "log"];

/// What `[grants]` can name.
pub(crate) fn capabilities() -> Vec<&'static str> {
    let grants = SECTIONS.iter().find(|section| section.name == "grants");
    grants.map_or(Vec::new(), |section| section.keys.iter().map(|key| key.name).collect())
}

const SECTIONS: &[Section] = &[
    Section::new(
        "",
        "What a plugin is. The author writes it; whoever drops the plugin in accepts it.",
        &[
            Key::required("name", Kind::Text, "The plugin's name: 1 to 48 of a-z, 0-9 and -, beginning with a letter.", "\"tickets\""),
            Key::new("version", Kind::Text, "The author's version; only shown.", "none", "\"1.2.0\""),
            Key::new("description", Kind::Text, "What the plugin is; only shown.", "none", "\"Finds tickets\""),
            Key::new(
                "component",
                Kind::Text,
                "The component, as a path from this file's folder down.",
                "`<name>.wasm`",
                "\"tickets.wasm\"",
            ),
            Key::new("prefix", Kind::Text, "What stands before the names of the plugin's tools; may be empty.", "`<name>_`", "\"t_\""),
            Key::section("build"),
            Key::section("limits"),
            Key::section("config"),
            Key::section("cache"),
            Key::section("grants"),
        ],
    ),
    Section::new(
        "build",
        "How the component is built from its source.",
        &[
            Key::required(
                "command",
                Kind::Text,
                "The command line, run in this file's folder.",
                "\"cargo build --release --target wasm32-wasip2\"",
            ),
            Key::new("watch", Kind::Texts, "Files and folders whose changes call for another build.", "`[]`", "[\"src\"]"),
        ],
    ),
    Section::new(
        "limits",
        "Limits of one call. They hold as far as they are lower than the operator's.",
        &[
            Key::new("memory", Kind::Size, "Linear memory of one call.", "the operator's", "\"64MiB\""),
            Key::new("timeout", Kind::Duration, "Time on the wall of one call.", "the operator's", "\"10s\""),
            Key::new("cpu", Kind::Duration, "Processor time of one call.", "the operator's", "\"500ms\""),
            Key::new("output", Kind::Size, "JSON text of one result.", "the operator's", "\"1MiB\""),
            Key::new("concurrency", Kind::Count, "Calls at the same time.", "the operator's", "8"),
        ],
    ),
    Section::open(
        "config",
        "What the plugin can be told (`wasi:config/store`): texts by names of the author's choice, with the author's defaults. The operator \
         replaces them in `[config.<plugin>]`. Nothing in them is expanded, and no secret belongs here.",
    ),
    Section::new(
        "cache",
        "Answers of queries that the catalog lets the host give again.",
        &[Key::required(
            "stale_if_error",
            Kind::Duration,
            "How old an answer may be that is given, marked as stale, when its handler fails. It holds as far as it is lower than the operator's.",
            "\"10m\"",
        )],
    ),
    Section::new(
        "grants",
        "What the plugin asks for. What is not named here is not linked: a component that imports it does not load.",
        &[
            Key::section("client"),
            Key::section("changes"),
            Key::section("events"),
            Key::section("http"),
            Key::section("sql"),
            Key::section("keyvalue"),
            Key::section("files"),
            Key::section("secrets"),
            Key::section("webhooks"),
        ],
    ),
    Section::new("grants.client", "Progress and log messages to the client of a call (`cofferdam:mcp/client`).", &[]),
    Section::new("grants.changes", "Reports that lists and resources changed (`cofferdam:mcp/changes`).", &[]),
    Section::new(
        "grants.events",
        "Events that the plugin publishes itself (`cofferdam:mcp/events`). What the host publishes for it, after its updates and from its \
         feeds and webhooks, needs no grant.",
        &[Key::required(
            "topics",
            Kind::Texts,
            "Under which topics, by their names in the plugin's catalog: with the `{variable}` where they have one.",
            "[\"edits\", \"collaboration/{id}\"]",
        )],
    ),
    Section::new(
        "grants.http",
        "Requests to others (`cofferdam:mcp/http` and `wasi:http/outgoing-handler`). Every one is checked against this list, redirects too.",
        &[
            Key::required(
                "allow",
                Kind::Texts,
                "Which requests: methods (`GET,HEAD` unless written), scheme (`https` unless written), host or `*.suffix`, port and path. \
                 In a path, `*` stands for one part and `**` for the rest; without a path, all are meant.",
                "[\"GET https://api.example.com/v1/**\"]",
            ),
            Key::new("redirects", Kind::Count, "How many redirects `fetch` follows; otherwise the plugin gets them.", "none", "3"),
            Key::new("timeout", Kind::Duration, "Time of one request.", "the operator's", "\"10s\""),
            Key::new("response", Kind::Size, "The body of one response.", "the operator's", "\"1MiB\""),
            Key::new("concurrency", Kind::Count, "Requests at the same time.", "the operator's", "4"),
            Key::section("headers"),
            Key::section("retry"),
            Key::section("cache"),
        ],
    ),
    Section::new("grants.http.headers", "Headers that the host puts into requests, by the host that they go to.", &[]),
    Section::open(
        "grants.http.headers.<host>",
        "Headers of requests to this host, in the place of the plugin's own: `authorization = \"Bearer ${secret:example-token}\"`. The plugin \
         never sees them, and no other host gets them.",
    ),
    Section::new(
        "grants.http.retry",
        "`fetch` tries again what can be done twice (not POST, not PATCH), after 502, 503, 504 and when nobody answers.",
        &[
            Key::required("attempts", Kind::Count, "How often in all.", "3"),
            Key::new(
                "delay",
                Kind::Duration,
                "Before the second attempt, about; each later one waits twice as long, or what `Retry-After` says.",
                "`\"200ms\"`",
                "\"500ms\"",
            ),
        ],
    ),
    Section::new(
        "grants.http.cache",
        "`fetch` keeps responses to GET, for this plugin alone.",
        &[
            Key::required("ttl", Kind::Duration, "How long they are as good as new, unless they say less.", "\"60s\""),
            Key::new("size", Kind::Size, "All of them together.", "the operator's", "\"8MiB\""),
            Key::new(
                "stale_if_error",
                Kind::Duration,
                "How long after that they are given out when the upstream fails.",
                "none",
                "\"10m\"",
            ),
        ],
    ),
    Section::new("grants.sql", "Databases (`cofferdam:mcp/sql`), by the operator's names for them.", &[]),
    Section::new(
        "grants.sql.<database>",
        "One database of the operator's `[databases.<database>]`.",
        &[
            Key::required(
                "access",
                Kind::Choice(&["read", "write"]),
                "What the plugin may do there. `write` includes `read`; `read` is enforced by the database itself.",
                "\"read\"",
            ),
            Key::new("rows_max", Kind::Count, "Rows of one result.", "the operator's", "500"),
            Key::new("timeout", Kind::Duration, "Time of one statement.", "the operator's", "\"2s\""),
        ],
    ),
    Section::new(
        "grants.keyvalue",
        "A store of small values for this plugin alone (`cofferdam:mcp/keyvalue`). It outlives calls, and restarts if the operator keeps it in a file.",
        &[
            Key::required(
                "access",
                Kind::Choice(&["read", "write"]),
                "What the plugin may do there. `write` includes `read`.",
                "\"write\"",
            ),
            Key::new("bytes", Kind::Size, "Keys and values together; for `write` only.", "the operator's", "\"1MiB\""),
            Key::new("entries", Kind::Count, "Keys; for `write` only.", "the operator's", "1000"),
        ],
    ),
    Section::new(
        "grants.files",
        "Folders (`wasi:filesystem`), by the operator's names for them. The plugin sees each at `/<folder>`.",
        &[],
    ),
    Section::new(
        "grants.files.<folder>",
        "One folder of the operator's `[folders.<folder>]`: its files and folders, and nothing beyond them. Links that lead out of it, and what is neither a file nor a folder, cannot be opened; links are never made.",
        &[
            Key::required("access", Kind::Choice(&["read", "write"]), "What the plugin may do there. `write` includes `read`.", "\"read\""),
            Key::new("bytes", Kind::Size, "The files in the folder together; for `write` only.", "the operator's", "\"10MiB\""),
            Key::new("entries", Kind::Count, "Files and folders in the folder; for `write` only.", "the operator's", "100"),
        ],
    ),
    Section::new(
        "grants.secrets",
        "Secrets that the plugin reads itself (`cofferdam:mcp/secrets`). One that only goes into a header need not be here.",
        &[Key::required(
            "reveal",
            Kind::Texts,
            "The operator's names for them. The operator allows it with `reveal = true` in `[secrets.<secret>]`.",
            "[\"example-token\"]",
        )],
    ),
    Section::new(
        "grants.webhooks",
        "Topics of the plugin that others publish to by signed requests: `POST /hooks/<plugin>/<topic>`. A request is looked at once its \
         signature was verified, and taken once.",
        &[],
    ),
    Section::new(
        "grants.webhooks.<topic>",
        "One topic as the catalog writes it, in quotes when it has a slash: `[grants.webhooks.\"deploys/{service}\"]`.",
        &[
            Key::required(
                "signature",
                Kind::Choice(&["github", "stripe", "hmac-sha256"]),
                "How requests are signed. `hmac-sha256` is HMAC-SHA256, in hexadecimal or base64, of `<time>.<method>.<path>.<body>`; the time is \
                 in seconds since 1970, and the path has no dot in it.",
                "\"github\"",
            ),
            Key::required("secret", Kind::Text, "The operator's name for the key; the plugin never sees it.", "\"webhook-key\""),
            Key::new(
                "tolerance",
                Kind::Duration,
                "How far a request's time may be from the host's, and how long a request is remembered that must not come again (1s to 24h). \
                 GitHub signs no time: what it sent is refused for this long.",
                "`\"5m\"`",
                "\"1m\"",
            ),
            Key::new("header", Kind::Text, "Where the signature is; for `hmac-sha256` only.", "`\"x-signature\"`", "\"x-acme-signature\""),
            Key::new("timestamp_header", Kind::Text, "Where the time is; for `hmac-sha256` only.", "`\"x-timestamp\"`", "\"x-acme-time\""),
        ],
    ),
];
