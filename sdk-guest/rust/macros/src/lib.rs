//! The attributes of [`cofferdam-plugin`](https://docs.rs/cofferdam-plugin), which re-exports them. Use them from there.

mod expand;
mod handler;
mod plugin;

use proc_macro::TokenStream;
use syn::Error;

/// Makes a plugin of a module: each function that is marked with [`macro@query`] or [`macro@update`] becomes an operation.
///
/// ```
/// #[cofferdam_plugin::plugin(title = "Dice", instructions = "Rolls dice fairly. Say how many sides they have.")]
/// mod dice {
///     use cofferdam_plugin::prelude::*;
///
///     #[derive(Deserialize, JsonSchema)]
///     struct Roll {
///         /// How many sides the die has
///         sides: u8,
///     }
///
///     /// Rolls one die.
///     #[query]
///     fn roll(input: Roll) -> Result<String> {
///         if input.sides < 2 {
///             return Err(Failure::invalid("a die has at least 2 sides"));
///         }
///         Ok((random_bytes(1)[0] % input.sides + 1).to_string())
///     }
/// }
/// # fn main() {}
/// ```
///
/// | key | value | |
/// |---|---|---|
/// | `title` | text | the plugin's name for people |
/// | `instructions` | text | how to use the plugin, for the model: one or two sentences |
/// | `no_std` | | the crate does without the standard library: see "Faster calls" at the crate's front page |
/// | `topic(...)` | | declares a topic of events; may be repeated |
///
/// A `topic` has a `name` (segments joined by `/`, and `{segment}` for any one segment), and if you like a `title`, a
/// `description`, `retained = 10` (how many events the host keeps for those who come late), `overflow = "drop-oldest"` or
/// `"coalesce"`, and `event = Type` (for the schema of its events). A topic that an update `publishes` need not be declared.
///
/// The module has to stand in the crate's own source with its body, and everything that it offers in it. It gets one more item,
/// `pub struct Plugin`, which stands for the plugin in tests. Types in it that derive `Serialize`, `Deserialize` or `JsonSchema` do so
/// through this crate, so that yours needs no other dependency.
#[proc_macro_attribute]
pub fn plugin(arguments: TokenStream, item: TokenStream) -> TokenStream {
    plugin::plugin(arguments.into(), item.into()).unwrap_or_else(Error::into_compile_error).into()
}

/// Marks a function that reads. To MCP clients it is a tool with `readOnlyHint: true`.
///
/// It takes at most one input, a type with `Deserialize` and `JsonSchema` that is written as a JSON object, and at most one
/// `&Context`; it returns an `IntoReply`. Its documentation is the description that the model reads: say what it does, when to use
/// it, and what comes back.
///
/// | key | value | |
/// |---|---|---|
/// | `name` | text | the operation's name, if not the function's |
/// | `title` | text | a name for people |
/// | `description` | text | instead of the function's documentation |
/// | `open_world` | bool | whether it reaches out to things beyond the host's own |
/// | `cache_ms` | number | how long a reply stays good, in milliseconds |
/// | `cache_shared` | bool | whether the reply is the same for every caller of the tenant |
/// | `task` | `"optional"`, `"required"` | whether it can go on as a task while the client does something else |
/// | `meta` | text | `_meta` of the tool: a JSON object |
#[proc_macro_attribute]
pub fn query(_: TokenStream, item: TokenStream) -> TokenStream {
    plugin::misplaced("query", &item.into()).into()
}

/// Marks a function that writes. To MCP clients it is a tool with `readOnlyHint: false`.
///
/// It takes and returns what a [`macro@query`] does, and has the same keys but those of the cache. Beside them:
///
/// | key | value | |
/// |---|---|---|
/// | `destructive` | bool | whether it may destroy something; clients assume so unless told otherwise |
/// | `idempotent` | bool | whether doing it twice is like doing it once |
/// | `publishes` | list of text | topics that get the reply as an event when it succeeds |
#[proc_macro_attribute]
pub fn update(_: TokenStream, item: TokenStream) -> TokenStream {
    plugin::misplaced("update", &item.into()).into()
}
