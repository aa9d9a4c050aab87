//! The contract's exports, by the traits that `#[plugin]` implements.

use crate::bindings::imports::types;
use crate::bindings::{catalog, completion, prompts, query, query_batch, resources, subscribe, update, webhook};
use crate::feeds::OpenFeed;
use crate::plugin::{Batches, Completions, Describe, Feeds, Of, Prompts, Queries, Resources, Updates, Webhooks};
use crate::{Failure, Others, Reply, Result, Suggestions, Webhook};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

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

impl<P: Batches> query_batch::Guest for P {
    fn handle(
        context: types::Context,
        name: String,
        parameters: Vec<String>,
    ) -> Result<Vec<Result<types::Reply, types::Failure>>, types::Failure> {
        begin();
        let replies = P::batch(&context.into(), &name, &parameters).map_err(Failure::into_failure)?;
        Ok(replies.into_iter().map(|reply| reply.map(Into::into).map_err(Failure::into_failure)).collect())
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

impl<P: Feeds> subscribe::Guest for P {
    type Feed = OpenFeed;

    fn open(context: types::Context, topic: String, filters: String) -> Result<subscribe::Feed, types::Failure> {
        begin();
        match P::open(&context.into(), &topic, &filters) {
            Ok(feed) => Ok(subscribe::Feed::new(feed)),
            Err(end) => Err(end.into_failure()),
        }
    }
}

impl subscribe::GuestFeed for OpenFeed {
    fn next(&self, timeout_ms: u32) -> Result<Option<Vec<types::Event>>, types::Failure> {
        begin();
        Self::next(self, Duration::from_millis(timeout_ms.into())).map_err(Failure::into_failure)
    }
}

impl<P: Webhooks> webhook::Guest for P {
    fn transform(
        context: types::Context,
        topic: String,
        headers: Vec<webhook::Header>,
        body: Vec<u8>,
    ) -> Result<Vec<types::Event>, types::Failure> {
        begin();
        P::transform(&context.into(), &Webhook::new(topic, headers, body)).map_err(Failure::into_failure)
    }
}

/// Every export begins here.
fn begin() {
    #[cfg(target_family = "wasm")]
    crate::memory::begin();
}
