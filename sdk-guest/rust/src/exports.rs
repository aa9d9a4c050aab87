//! The contract's exports, by the traits that `#[plugin]` implements.

use crate::bindings::imports::types;
use crate::bindings::{catalog, completion, prompts, query, resources, update};
use crate::plugin::{Completions, Describe, Of, Prompts, Queries, Resources, Updates};
use crate::{Others, Reply, Result, Suggestions};
use alloc::string::String;
use alloc::vec::Vec;

impl<P: Describe> catalog::Guest for P {
    fn describe() -> catalog::Catalog {
        begin();
        <P as Describe>::describe()
    }
}

impl<P: Queries> query::Guest for P {
    fn handle(context: types::Context, name: String, parameters: String) -> Result<types::Outcome, types::Failure> {
        begin();
        outcome(P::query(&context.into(), &name, &parameters))
    }
}

impl<P: Updates> update::Guest for P {
    fn handle(context: types::Context, target: String, data: String) -> Result<types::Outcome, types::Failure> {
        begin();
        outcome(P::update(&context.into(), &target, &data))
    }
}

fn outcome(result: Result<Reply>) -> Result<types::Outcome, types::Failure> {
    match result {
        Ok(reply) => Ok(types::Outcome::Complete(reply.into())),
        Err(end) => end.into_outcome(types::Outcome::InputRequired),
    }
}

impl<P: Resources> resources::Guest for P {
    fn read(context: types::Context, uri: String) -> Result<resources::ResourceOutcome, types::Failure> {
        begin();
        match P::read(&context.into(), &uri) {
            Ok(read) => {
                let (contents, cache) = read.into_parts();
                Ok(resources::ResourceOutcome::Complete(resources::ResourceReply { contents, cache }))
            }
            Err(end) => end.into_outcome(resources::ResourceOutcome::InputRequired),
        }
    }
}

impl<P: Prompts> prompts::Guest for P {
    fn get(context: types::Context, name: String, arguments: Vec<types::Argument>) -> Result<prompts::PromptOutcome, types::Failure> {
        begin();
        match P::prompt(&context.into(), &name, &arguments) {
            Ok(prompt) => Ok(prompts::PromptOutcome::Complete(prompt.into())),
            Err(end) => end.into_outcome(prompts::PromptOutcome::InputRequired),
        }
    }
}

impl<P: Completions> completion::Guest for P {
    fn complete(
        context: types::Context,
        reference: completion::Reference,
        argument: types::Argument,
        others: Vec<types::Argument>,
    ) -> Result<completion::Suggestions, types::Failure> {
        begin();
        let of = match &reference {
            completion::Reference::Prompt(name) => Of::Prompt(name),
            completion::Reference::ResourceTemplate(template) => Of::Template(template),
        };
        match P::complete(&context.into(), of, &argument.name, &argument.value, &Others(others)) {
            Ok(suggestions) => Ok(suggestions.into()),
            // While a person types, nobody can be asked.
            Err(end) => end.into_outcome(|_| Suggestions::default().into()),
        }
    }
}

/// Every export begins here.
fn begin() {
    #[cfg(target_family = "wasm")]
    crate::memory::begin();
}
