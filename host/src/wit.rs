//! The guest contract as Rust types: the only `bindgen!` of the host.
//!
//! The world has every interface; a component exports only some of them, so nothing here loads the world as a whole. `runtime` looks up
//! the interfaces one by one, and `caps` links the imports one by one, as they are granted.
#![allow(missing_docs, unreachable_pub, reason = "generated; the documentation is in wit/")]

wasmtime::component::bindgen!({
    world: "plugin",
    path: "../wit",
    imports: {
        // Databases are waited for: the guest's fiber is suspended meanwhile.
        "cofferdam:mcp/http.fetch": async | trappable,
        "cofferdam:mcp/sql.query": async | trappable,
        "cofferdam:mcp/sql.execute": async | trappable,
        "cofferdam:mcp/sql.schema": async | trappable,
        // A secret may be a program's output.
        "cofferdam:mcp/secrets.reveal": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    ownership: Borrowing { duplicate_if_necessary: true },
});
