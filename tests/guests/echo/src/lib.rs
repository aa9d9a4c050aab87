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
}
