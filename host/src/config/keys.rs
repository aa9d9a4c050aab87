//! Every key of `cofferdam.toml`.

use crate::manifest::{Key, Kind, Section, Shape};

pub(crate) const SHAPE: Shape = Shape { sections: SECTIONS, other: ("a plugin's plugin.toml", AUTHORS) };

const AUTHORS: &[&str] = &["name", "version", "description", "component", "prefix", "build", "grants"];

const LOGIN: &[Key] = &[
    Key::required("user", Kind::Text, "The role.", "\"main_read\""),
    Key::new(
        "password",
        Kind::Text,
        "The secret that is its password. Without one the server has to trust the host as it is.",
        "none",
        "\"${secret:main-read}\"",
    ),
];

const SECTIONS: &[Section] = &[
    Section::new(
        "",
        "What the operator decides. Relative paths begin at this file's folder.",
        &[
            Key::new("plugins", Kind::Text, "The folder of the plugins.", "`\"plugins\"`", "\"plugins\""),
            Key::new(
                "state",
                Kind::Text,
                "The folder for what the host keeps: compiled code and its own state.",
                "`\".cofferdam\"`",
                "\"/var/lib/cofferdam\"",
            ),
            Key::section("listen"),
            Key::section("http"),
            Key::section("databases"),
            Key::section("tasks"),
            Key::section("limits"),
            Key::section("log"),
        ],
    ),
    Section::new(
        "listen",
        "Where the host listens.",
        &[
            Key::new("http", Kind::Text, "MCP and plain HTTP: an address and a port.", "`\"127.0.0.1:8484\"`", "\"127.0.0.1:8484\""),
            Key::new("admin", Kind::Text, "Health: an address and a port.", "`\"127.0.0.1:8485\"`", "\"127.0.0.1:8485\""),
        ],
    ),
    Section::new(
        "http",
        "Who may call over HTTP, beside loopback.",
        &[
            Key::new(
                "allowed_hosts",
                Kind::Texts,
                "Names that clients may call the host by. Needed as soon as it listens to others than this machine.",
                "`[]`",
                "[\"mcp.example.com\"]",
            ),
            Key::new("allowed_origins", Kind::Texts, "Origins whose web pages may call.", "`[]`", "[\"https://app.example.com\"]"),
            Key::new(
                "legacy_sse",
                Kind::Flag,
                "Whether the transport of MCP 2024-11-05, with its two endpoints, is served as well.",
                "`false`",
                "true",
            ),
        ],
    ),
    Section::new("databases", "Databases, by the names that manifests ask for.", &[]),
    Section::new(
        "databases.<database>",
        "One database.",
        &[
            Key::required("engine", Kind::Choice(&["sqlite", "postgresql"]), "What runs it.", "\"sqlite\""),
            Key::new("path", Kind::Text, "SQLite: its file. Needed there.", "none", "\"data/main.db\""),
            Key::new(
                "init",
                Kind::Text,
                "SQLite: a file with SQL text that creates the database when its file does not exist.",
                "none",
                "\"data/main.sql\"",
            ),
            Key::new(
                "migrations",
                Kind::Text,
                "SQLite: a folder with the changes of its schema, `001_name.sql`, `002_name.sql` and so on. Each runs once, in their order, \
                 when the host starts.",
                "none",
                "\"data/migrations\"",
            ),
            Key::new(
                "url",
                Kind::Text,
                "PostgreSQL: host, port and database, without a user. A Unix socket's folder is written with `%2F` for its slashes. Needed there.",
                "none",
                "\"postgres://db.example.com:5432/main\"",
            ),
            Key::new(
                "tls",
                Kind::Choice(&["require", "off"]),
                "PostgreSQL: whether the connection is encrypted and the server's certificate checked. `off` only for this machine.",
                "`\"require\"`",
                "\"off\"",
            ),
            Key::new(
                "ca",
                Kind::Text,
                "PostgreSQL: a file with certificates (PEM) that are trusted beside the operating system's.",
                "none",
                "\"ca.pem\"",
            ),
            Key::section("read"),
            Key::section("write"),
        ],
    ),
    Section::new(
        "databases.<database>.read",
        "PostgreSQL: the login of plugins with `access = \"read\"`. The host does not use it when it can do more than read.",
        LOGIN,
    ),
    Section::new(
        "databases.<database>.write",
        "PostgreSQL: the login of plugins with `access = \"write\"`. The host does not use it when it is a superuser, or can reach the \
         server's files.",
        LOGIN,
    ),
    Section::new(
        "tasks",
        "Where the records of MCP tasks are kept.",
        &[Key::new(
            "store",
            Kind::Choice(&["sqlite", "memory"]),
            "`sqlite`: a file in the state folder, so that results outlive the process. `memory`: the process.",
            "`\"sqlite\"`",
            "\"memory\"",
        )],
    ),
    Section::new(
        "limits",
        "The host's own limits. `cofferdam limits` prints all of them, with their reasons; a manifest's hold as far as they are lower.",
        &[
            Key::new("guest_memory", Kind::Size, "Linear memory of one call.", "`\"64MiB\"`", "\"128MiB\""),
            Key::new("cpu_time", Kind::Duration, "Processor time of one call.", "`\"1s\"`", "\"2s\""),
            Key::new("wall_time", Kind::Duration, "Time on the wall of one call.", "`\"30s\"`", "\"10s\""),
            Key::new("output", Kind::Size, "JSON text of one result.", "see `cofferdam limits`", "\"1MiB\""),
            Key::new("calls", Kind::Count, "Calls at the same time, all of them.", "see `cofferdam limits`", "256"),
            Key::new("tenant_calls", Kind::Count, "Calls at the same time, of one tenant.", "see `cofferdam limits`", "32"),
            Key::new("plugin_calls", Kind::Count, "Calls at the same time, of one plugin.", "see `cofferdam limits`", "16"),
            Key::new("connections", Kind::Count, "Connections at the same time.", "see `cofferdam limits`", "1024"),
            Key::new("body", Kind::Size, "The body of one request.", "see `cofferdam limits`", "\"4MiB\""),
            Key::new("sql_rows", Kind::Count, "Rows of one result.", "see `cofferdam limits`", "1000"),
            Key::new("sql_statement_time", Kind::Duration, "Time of one statement.", "see `cofferdam limits`", "\"5s\""),
            Key::new("drain_time", Kind::Duration, "How long calls may go on when the host stops.", "`\"10s\"`", "\"30s\""),
            Key::new("compiles", Kind::Count, "Components compiled at the same time.", "`1`", "2"),
            Key::new("component", Kind::Size, "The file of one component.", "`\"32MiB\"`", "\"64MiB\""),
        ],
    ),
    Section::new(
        "log",
        "What is logged, and how.",
        &[
            Key::new("filter", Kind::Text, "Levels, of everything or by target.", "`\"info\"`", "\"warn,cofferdam=debug\""),
            Key::new(
                "format",
                Kind::Choice(&["text", "json"]),
                "A line for people, or a JSON object for programs.",
                "`\"text\"`",
                "\"json\"",
            ),
        ],
    ),
];
