//! Parameters of prompts and of completion, from raw JSON to what a handler gets.

use super::CallError;
use crate::mcp::{Params, strict};
use crate::registry::offers::Prompt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// What an argument that is being completed belongs to.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(tag = "type")]
pub(super) enum Ref {
    /// A prompt, by its name for clients.
    #[serde(rename = "ref/prompt")]
    Prompt {
        /// The name.
        name: String,
    },
    /// A template, by its text; also a resource, by its URI, of which nothing can be completed.
    #[serde(rename = "ref/resource")]
    Resource {
        /// The text.
        uri: String,
    },
}

/// `completion/complete`.
#[derive(Debug)]
pub(super) struct Completion {
    pub(super) reference: Ref,
    pub(super) argument: (String, String),
    pub(super) others: Vec<(String, String)>,
}

/// A prompt's arguments: an object of texts, with everything that has to be given, and nothing that the prompt does not know.
pub(super) fn prompt_arguments(params: &Params<'_>, prompt: &Prompt) -> Result<Vec<(String, String)>, CallError> {
    let given = match params.arguments {
        Some(raw) => texts(raw.get(), "arguments")?,
        None => Vec::new(),
    };
    for (name, required) in &prompt.arguments {
        if *required && !given.iter().any(|(given, _)| given == name) {
            return Err(CallError::Params(format!("the argument {name:?} is missing")));
        }
    }
    match given.iter().find(|(name, _)| !prompt.arguments.iter().any(|(known, _)| known == name)) {
        Some((unknown, _)) => Err(CallError::Params(format!("the prompt has no argument {unknown:?}"))),
        None => Ok(given),
    }
}

/// What is being completed.
pub(super) fn completion(params: &Params<'_>) -> Result<Completion, CallError> {
    #[derive(Deserialize)]
    struct Argument {
        name: String,
        value: String,
    }
    let missing = |what: &str| CallError::Params(format!("`{what}` is missing"));
    let reference = object(params.reference.ok_or_else(|| missing("ref"))?, "ref")?;
    let Argument { name, value } = object(params.argument.ok_or_else(|| missing("argument"))?, "argument")?;
    let mut others = Vec::new();
    if let Some(context) = params.context {
        let context: Map<String, Value> = object(context, "context")?;
        if let Some(known) = context.get("arguments") {
            others = texts(&known.to_string(), "context.arguments")?;
        }
    }
    Ok(Completion { reference, argument: (name, value), others })
}

/// Reads a parameter that has to be an object. Serde alone would take an array of an object's values for it.
pub(super) fn object<T: DeserializeOwned>(raw: &RawValue, what: &str) -> Result<T, CallError> {
    if !raw.get().starts_with('{') {
        return Err(CallError::Params(format!("`{what}` has to be an object")));
    }
    serde_json::from_str(raw.get()).map_err(|error| CallError::Params(format!("`{what}` is wrong: {error}")))
}

fn texts(json: &str, what: &str) -> Result<Vec<(String, String)>, CallError> {
    let wrong = || CallError::Params(format!("`{what}` has to be an object whose values are texts"));
    let value = strict::parse(json).map_err(|error| CallError::Params(format!("`{what}`: {error}")))?;
    let Value::Object(object) = value else { return Err(wrong()) };
    let text = |(key, value): (String, Value)| if let Value::String(text) = value { Ok((key, text)) } else { Err(wrong()) };
    object.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::Message;

    fn with<T>(params: &str, check: impl Fn(&Params<'_>) -> T) -> T {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{params}}}"#);
        let Ok(Message::Request(request)) = Message::parse(&text) else { panic!("no request: {text}") };
        check(&request.params)
    }

    #[test]
    fn arguments_of_a_prompt() {
        let prompt = Prompt {
            name: "p".into(),
            shown: "p".to_owned(),
            arguments: vec![("a".to_owned(), true), ("b".to_owned(), false)],
            definition: String::new(),
        };
        for (params, expected) in [
            (r#"{"arguments":{"a":"1"}}"#, "a=1"),
            (r#"{"arguments":{"b":"2","a":"1"}}"#, "a=1 b=2"),
            ("{}", "the argument \"a\" is missing"),
            (r#"{"arguments":{"b":"2"}}"#, "the argument \"a\" is missing"),
            (r#"{"arguments":{"a":"1","c":"3"}}"#, "the prompt has no argument \"c\""),
            (r#"{"arguments":{"a":1}}"#, "`arguments` has to be an object whose values are texts"),
            (r#"{"arguments":["a"]}"#, "`arguments` has to be an object whose values are texts"),
            (r#"{"arguments":{"a":"1","a":"2"}}"#, "`arguments`: the key \"a\" occurs twice"),
        ] {
            let mut given = with(params, |params| match prompt_arguments(params, &prompt) {
                Ok(given) => given.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>(),
                Err(error) => vec![error.to_string()],
            });
            given.sort();
            assert!(given.join(" ").starts_with(expected), "{params}: {given:?}");
        }
    }

    #[test]
    fn what_is_being_completed() {
        for (params, expected) in [
            (r#"{"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":"x"}}"#, "ok 0"),
            (
                r#"{"ref":{"type":"ref/resource","uri":"a:{b}"},"argument":{"name":"b","value":""},"context":{"arguments":{"c":"d"}}}"#,
                "ok 1",
            ),
            (r#"{"argument":{"name":"a","value":"x"}}"#, "`ref` is missing"),
            (r#"{"ref":{"type":"ref/tool","name":"p"},"argument":{"name":"a","value":"x"}}"#, "`ref` is wrong"),
            (r#"{"ref":{"type":"ref/prompt","name":"p"}}"#, "`argument` is missing"),
            (r#"{"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a"}}"#, "`argument` is wrong"),
            (
                r#"{"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":"x"},"context":{"arguments":{"c":1}}}"#,
                "`context.arguments` has to be",
            ),
        ] {
            let given = with(params, |params| match completion(params) {
                Ok(completion) => format!("ok {}", completion.others.len()),
                Err(error) => error.to_string(),
            });
            assert!(given.starts_with(expected), "{params}: {given}");
        }
    }
}
