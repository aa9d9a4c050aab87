//! The smallest plugin that does something: benchmarks call it.
#![cfg_attr(target_family = "wasm", no_std)]

#[cofferdam_plugin::plugin(no_std)]
mod echo {
    use cofferdam_plugin::prelude::*;

    #[derive(Deserialize, JsonSchema)]
    struct Echo {
        /// What comes back
        text: String,
    }

    /// Says the same text again.
    #[query]
    fn echo(input: Echo) -> String {
        input.text
    }

    /// The same, and the host may give the answer again.
    #[query(cache_ms = 3_600_000, cache_shared = true)]
    fn kept(input: Echo) -> String {
        input.text
    }
}
