//! The smallest plugin that does something: benchmarks call it.

#[cofferdam_plugin::plugin]
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
