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
            Key::section("egress"),
            Key::section("databases"),
            Key::section("ceiling"),
            Key::section("secrets"),
            Key::section("folders"),
            Key::section("keyvalue"),
            Key::section("config"),
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
    Section::new(
        "egress",
        "What plugins reach, as far as their manifests ask for it: every public address, and what is written here.",
        &[
            Key::new(
                "private",
                Kind::Texts,
                "Ranges of addresses that are not public, and single addresses that manifests may name. Metadata services of clouds and this \
                 host's own listeners stay out of reach.",
                "`[]`",
                "[\"10.1.0.0/16\", \"127.0.0.1/32\"]",
            ),
            Key::new(
                "ca",
                Kind::Text,
                "A PEM file with authorities that are trusted beside those of the operating system.",
                "none",
                "\"company-ca.pem\"",
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
                "\"require\"",
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
    Section::new("secrets", "Secrets, by the names that manifests and this document have for them. Their texts stand nowhere here.", &[]),
    Section::new(
        "secrets.<secret>",
        "One secret. It is in one place: a file, the environment or the output of a command. One line break at its end does not count.",
        &[
            Key::new("file", Kind::Text, "Its file; read again when it has changed.", "none", "\"secrets/example\""),
            Key::new("env", Kind::Text, "The variable that held it when the host started.", "none", "\"EXAMPLE_TOKEN\""),
            Key::new(
                "command",
                Kind::Texts,
                "A program that prints it, and its arguments. No shell reads them.",
                "none",
                "[\"pass\", \"show\", \"example\"]",
            ),
            Key::new("refresh", Kind::Duration, "How long what the command printed stays good.", "`\"5m\"`", "\"1h\""),
            Key::new(
                "hosts",
                Kind::Texts,
                "The hosts that a header with it may go to, as far as a plugin is granted them.",
                "every host that a plugin is granted",
                "[\"api.example.com\"]",
            ),
            Key::new(
                "reveal",
                Kind::Flag,
                "Whether a plugin may be granted to read it. One that only sends it in a header need not.",
                "`false`",
                "true",
            ),
        ],
    ),
    Section::new("config", "What plugins are told, by their names.", &[]),
    Section::open(
        "config.<plugin>",
        "Texts in the place of those that the plugin's manifest has in its own `[config]`. A name that is not there is refused.",
    ),
    Section::new(
        "ceiling",
        "The most that any manifest can be granted. A plugin whose manifest asks for more does not load.",
        &[Key::new(
            "grants",
            Kind::Texts,
            "The capabilities, by their names under `[grants]` in plugin.toml.",
            "all of them",
            "[\"client\", \"sql\"]",
        )],
    ),
    Section::new("folders", "Folders, by the names that manifests ask for. A plugin sees the folder `docs` at `/docs`.", &[]),
    Section::new(
        "folders.<folder>",
        "One folder. It has to be there when a plugin is loaded that was granted it.",
        &[
            Key::required(
                "path",
                Kind::Text,
                "Where it is. Neither the root, nor in `/proc`, `/sys` or `/dev`, nor this file's own folder, nor over the plugins, the state or another of these folders.",
                "\"data/docs\"",
            ),
            Key::new("write", Kind::Flag, "Whether plugins may write there, as far as their manifests ask for it.", "`false`", "true"),
        ],
    ),
    Section::new(
        "keyvalue",
        "Where keys and values of plugins are kept.",
        &[Key::new(
            "store",
            Kind::Choice(&["sqlite", "memory"]),
            "`sqlite`: a file in the state folder, so that they outlive the process. `memory`: the process.",
            "`\"sqlite\"`",
            "\"memory\"",
        )],
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
            Key::new("http_time", Kind::Duration, "One request of a plugin, with its response.", "`\"30s\"`", "\"10s\""),
            Key::new("http_response", Kind::Size, "The body of one response to a plugin.", "`\"8MiB\"`", "\"16MiB\""),
            Key::new("subscriptions", Kind::Count, "Subscriptions at the same time, of one tenant.", "see `cofferdam limits`", "1024"),
            Key::new("caller_subscriptions", Kind::Count, "Subscriptions at the same time, of one caller.", "see `cofferdam limits`", "64"),
            Key::new("events_per_second", Kind::Count, "Events of one plugin.", "see `cofferdam limits`", "10000"),
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
