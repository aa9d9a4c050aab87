//! What `wit-bindgen` makes of the contract: one world for everything that a guest may import, and one for each interface that it
//! may export. A plugin's component gets the worlds of its handlers only, and the linker drops the imports that nobody calls.

#![allow(missing_docs, unreachable_pub, unsafe_code, clippy::all, reason = "generated")]
#![allow(clippy::allow_attributes_without_reason, rustdoc::all, reason = "generated")]

/// Everything that a guest may import, and the types that all interfaces share.
pub mod imports {
    wit_bindgen::generate!({
        path: "wit",
        inline: "
            package cofferdam:plugin-sdk;
            world imports {
                import cofferdam:mcp/types@0.1.0;
                import cofferdam:mcp/host@0.1.0;
                import cofferdam:mcp/client@0.1.0;
                import cofferdam:mcp/changes@0.1.0;
                import cofferdam:mcp/events@0.1.0;
                import cofferdam:mcp/http@0.1.0;
                import cofferdam:mcp/sql@0.1.0;
                import cofferdam:mcp/secrets@0.1.0;
                import wasi:config/store@0.2.0-rc.1;
                import cofferdam:mcp/keyvalue@0.1.0;
            }
        ",
        world: "cofferdam:plugin-sdk/imports",
        generate_all,
        generate_unused_types: true,
        additional_derives: [Clone, PartialEq],
        additional_type_attributes: {
            "cofferdam:mcp/sql@0.1.0/access": [#[derive(serde::Serialize, schemars::JsonSchema)] #[schemars(transform = crate::sql::terse)] #[serde(rename_all = "kebab-case")]],
            "cofferdam:mcp/sql@0.1.0/engine": [#[derive(serde::Serialize, schemars::JsonSchema)] #[schemars(transform = crate::sql::terse)] #[serde(rename_all = "kebab-case")]],
            "cofferdam:mcp/sql@0.1.0/database": [#[derive(serde::Serialize, schemars::JsonSchema)] #[schemars(transform = crate::sql::terse)]],
            "cofferdam:mcp/sql@0.1.0/column": [#[derive(serde::Serialize, schemars::JsonSchema)] #[schemars(transform = crate::sql::terse)]],
            "cofferdam:mcp/sql@0.1.0/cut": [#[derive(serde::Serialize, schemars::JsonSchema)] #[schemars(transform = crate::sql::terse)] #[serde(rename_all = "kebab-case")]],
            "cofferdam:mcp/sql@0.1.0/changes": [#[derive(serde::Serialize, schemars::JsonSchema)] #[schemars(transform = crate::sql::terse)]],
            "cofferdam:mcp/sql@0.1.0/column-info": [#[derive(serde::Serialize, schemars::JsonSchema)] #[schemars(transform = crate::sql::terse)]],
            "cofferdam:mcp/sql@0.1.0/index-info": [#[derive(serde::Serialize, schemars::JsonSchema)] #[schemars(transform = crate::sql::terse)]],
            "cofferdam:mcp/sql@0.1.0/constraint-kind": [#[derive(serde::Serialize, schemars::JsonSchema)] #[schemars(transform = crate::sql::terse)] #[serde(rename_all = "kebab-case")]],
            "cofferdam:mcp/sql@0.1.0/constraint-info": [#[derive(serde::Serialize, schemars::JsonSchema)] #[schemars(transform = crate::sql::terse)]],
            "cofferdam:mcp/sql@0.1.0/relationship": [#[derive(serde::Serialize, schemars::JsonSchema)] #[schemars(transform = crate::sql::terse)]],
            "cofferdam:mcp/sql@0.1.0/table-kind": [#[derive(serde::Serialize, schemars::JsonSchema)] #[schemars(transform = crate::sql::terse)] #[serde(rename_all = "kebab-case")]],
            "cofferdam:mcp/sql@0.1.0/table-info": [#[derive(serde::Serialize, schemars::JsonSchema)] #[schemars(transform = crate::sql::terse)]],
        },
        additional_member_attributes: {
            "cofferdam:mcp/sql@0.1.0/table-info.indexes": [#[serde(skip_serializing_if = "alloc::vec::Vec::is_empty")]],
            "cofferdam:mcp/sql@0.1.0/table-info.constraints": [#[serde(skip_serializing_if = "alloc::vec::Vec::is_empty")]],
            "cofferdam:mcp/sql@0.1.0/table-info.relationships": [#[serde(skip_serializing_if = "alloc::vec::Vec::is_empty")]],
        },
        // The linker's `_initialize` runs constructors; doing it again on every export is for command components.
        disable_run_ctors_once_workaround: true,
    });

    pub use cofferdam::mcp::{changes, client, events, host, http, keyvalue, secrets, sql, types};
    pub use wasi::config::store as config;
}

/// Every plugin.
pub mod catalog {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package cofferdam:plugin-sdk; world catalog { export cofferdam:mcp/catalog@0.1.0; }",
        world: "cofferdam:plugin-sdk/catalog",
        with: { "cofferdam:mcp/types@0.1.0": crate::bindings::imports::types },
        additional_derives: [Clone, PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_catalog",
        disable_run_ctors_once_workaround: true,
    });

    pub use exports::cofferdam::mcp::catalog::*;
}

/// Plugins with queries.
pub mod query {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package cofferdam:plugin-sdk; world query { export cofferdam:mcp/query@0.1.0; }",
        world: "cofferdam:plugin-sdk/query",
        with: { "cofferdam:mcp/types@0.1.0": crate::bindings::imports::types },
        pub_export_macro: true,
        export_macro_name: "export_query",
        disable_run_ctors_once_workaround: true,
    });

    pub use exports::cofferdam::mcp::query::Guest;
}

/// Plugins with updates.
pub mod update {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package cofferdam:plugin-sdk; world update { export cofferdam:mcp/update@0.1.0; }",
        world: "cofferdam:plugin-sdk/update",
        with: { "cofferdam:mcp/types@0.1.0": crate::bindings::imports::types },
        pub_export_macro: true,
        export_macro_name: "export_update",
        disable_run_ctors_once_workaround: true,
    });

    pub use exports::cofferdam::mcp::update::Guest;
}

/// Plugins with prompts.
pub mod prompts {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package cofferdam:plugin-sdk; world prompts { export cofferdam:mcp/prompts@0.1.0; }",
        world: "cofferdam:plugin-sdk/prompts",
        with: { "cofferdam:mcp/types@0.1.0": crate::bindings::imports::types },
        additional_derives: [Clone, PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_prompts",
        disable_run_ctors_once_workaround: true,
    });

    pub use exports::cofferdam::mcp::prompts::*;
}

/// Plugins with resources.
pub mod resources {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package cofferdam:plugin-sdk; world resources { export cofferdam:mcp/resources@0.1.0; }",
        world: "cofferdam:plugin-sdk/resources",
        with: { "cofferdam:mcp/types@0.1.0": crate::bindings::imports::types },
        additional_derives: [Clone, PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_resources",
        disable_run_ctors_once_workaround: true,
    });

    pub use exports::cofferdam::mcp::resources::*;
}

/// Plugins with completion.
pub mod completion {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package cofferdam:plugin-sdk; world completion { export cofferdam:mcp/completion@0.1.0; }",
        world: "cofferdam:plugin-sdk/completion",
        with: { "cofferdam:mcp/types@0.1.0": crate::bindings::imports::types },
        additional_derives: [Clone, PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_completion",
        disable_run_ctors_once_workaround: true,
    });

    pub use exports::cofferdam::mcp::completion::*;
}

/// Plugins that answer queries several at a time.
pub mod query_batch {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package cofferdam:plugin-sdk; world query-batch { export cofferdam:mcp/query-batch@0.1.0; }",
        world: "cofferdam:plugin-sdk/query-batch",
        with: { "cofferdam:mcp/types@0.1.0": crate::bindings::imports::types },
        pub_export_macro: true,
        export_macro_name: "export_query_batch",
        disable_run_ctors_once_workaround: true,
    });

    pub use exports::cofferdam::mcp::query_batch::Guest;
}

/// Plugins with feeds.
pub mod subscribe {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package cofferdam:plugin-sdk; world subscribe { export cofferdam:mcp/subscribe@0.1.0; }",
        world: "cofferdam:plugin-sdk/subscribe",
        with: { "cofferdam:mcp/types@0.1.0": crate::bindings::imports::types },
        pub_export_macro: true,
        export_macro_name: "export_subscribe",
        disable_run_ctors_once_workaround: true,
    });

    pub use exports::cofferdam::mcp::subscribe::*;
}

/// Plugins that make events of webhooks.
pub mod webhook {
    wit_bindgen::generate!({
        path: "wit",
        inline: "package cofferdam:plugin-sdk; world webhook { export cofferdam:mcp/webhook@0.1.0; }",
        world: "cofferdam:plugin-sdk/webhook",
        with: { "cofferdam:mcp/types@0.1.0": crate::bindings::imports::types },
        additional_derives: [Clone, PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_webhook",
        disable_run_ctors_once_workaround: true,
    });

    pub use exports::cofferdam::mcp::webhook::*;
}
