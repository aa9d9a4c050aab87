//! The guest contract as Rust types: the only `bindgen!` of the host.
//!
//! The world has every interface; a component exports only some of them, so nothing here loads the world as a whole. `runtime` looks up
//! the interfaces one by one, and `caps` links the imports one by one, as they are granted.
#![allow(missing_docs, unreachable_pub, reason = "generated; the documentation is in wit/")]

/// What a guest's handle of a transaction stands for: its number among those of the call, which has the transaction itself.
#[derive(Debug)]
pub struct TransactionHandle(pub u32);

wasmtime::component::bindgen!({
    world: "plugin",
    path: "../wit",
    imports: {
        // Databases are waited for: the guest's fiber is suspended meanwhile.
        "cofferdam:mcp/http.fetch": async | trappable,
        "cofferdam:mcp/sql.query": async | trappable,
        "cofferdam:mcp/sql.execute": async | trappable,
        "cofferdam:mcp/sql.schema": async | trappable,
        // What is not in memory is read from a file.
        "cofferdam:mcp/keyvalue.get": async | trappable,
        "cofferdam:mcp/keyvalue.get-many": async | trappable,
        "cofferdam:mcp/keyvalue.set": async | trappable,
        "cofferdam:mcp/keyvalue.delete": async | trappable,
        "cofferdam:mcp/keyvalue.list-keys": async | trappable,
        "cofferdam:mcp/keyvalue.increment": async | trappable,
        "cofferdam:mcp/keyvalue.compare-and-swap": async | trappable,
        // A secret may be a program's output.
        "cofferdam:mcp/secrets.reveal": async | trappable,
        "cofferdam:mcp/sql.begin": async | trappable,
        "cofferdam:mcp/sql.[method]transaction.query": async | trappable,
        "cofferdam:mcp/sql.[method]transaction.execute": async | trappable,
        "cofferdam:mcp/sql.[method]transaction.commit": async | trappable,
        "cofferdam:mcp/sql.[method]transaction.rollback": async | trappable,
        default: trappable,
    },
    with: { "cofferdam:mcp/sql.transaction": TransactionHandle },
    exports: { default: async },
    ownership: Borrowing { duplicate_if_necessary: true },
});
