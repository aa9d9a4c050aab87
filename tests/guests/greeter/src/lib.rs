//! An ordinary small plugin, written from the SDK's documentation alone.

#[cofferdam_plugin::plugin(
    title = "Greeter",
    instructions = "Greets people. Ask `languages` for what it speaks.",
    topic(name = "greetings/sent", description = "Somebody was greeted", retained = 5, event = Greeting)
)]
mod greeter {
    use cofferdam_plugin::prelude::*;

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Language {
        English,
        German,
        French,
    }

    #[derive(Deserialize, JsonSchema)]
    struct Person {
        /// Who is greeted
        name: String,
        /// In which language; English unless told otherwise
        language: Option<Language>,
    }

    #[derive(Serialize, JsonSchema)]
    struct Greeting {
        text: String,
        /// Who greets
        from: String,
    }

    /// Greets a person.
    #[query]
    fn greet(person: Person) -> Result<String> {
        let name = person.name.trim();
        if name.is_empty() {
            return Err(Failure::invalid("a person has a name"));
        }
        Ok(match person.language.unwrap_or(Language::English) {
            Language::English => format!("Hello, {name}!"),
            Language::German => format!("Guten Tag, {name}!"),
            Language::French => format!("Bonjour, {name} !"),
        })
    }

    /// Lists the languages that `greet` speaks.
    #[query(cache_ms = 3_600_000, cache_shared = true)]
    fn languages() -> Reply {
        Reply::new().text("english").text("german").text("french")
    }

    /// Sends a greeting from the caller to everybody who listens.
    #[update(name = "send-greeting", destructive = false, idempotent = true, publishes = ["greetings/sent"])]
    fn send(cx: &Context, person: Person) -> Result<Json<Greeting>> {
        let from = cx.caller().subject();
        if from.is_empty() {
            return Err(Failure::denied("sign in to send greetings"));
        }
        log::info!("{from} greets {}", person.name);
        Ok(Json(Greeting { text: greet(person)?, from: from.into() }))
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_plugin::{prelude::*, testing::Client};

    type Greeter = Client<crate::greeter::Plugin>;

    #[test]
    fn it_greets_in_three_languages() {
        let greet = |arguments| Greeter::new().query("greet", arguments);
        assert_eq!(greet(json!({"name": "Ann"})).unwrap().first_text(), Some("Hello, Ann!"));
        assert_eq!(greet(json!({"name": "Ann", "language": "french"})).unwrap().first_text(), Some("Bonjour, Ann !"));
        assert_eq!(greet(json!({"name": " "})).unwrap_err(), Failure::invalid("a person has a name"));
        let failure = greet(json!({"name": "Ann", "language": "klingon"})).unwrap_err();
        assert!(failure.message().starts_with("language: unknown variant `klingon`"), "{failure}");
        assert_eq!(Greeter::new().query("languages", json!({})).unwrap().content().len(), 3);
    }

    #[test]
    fn only_those_who_signed_in_send_greetings() {
        assert!(Greeter::new().update("send-greeting", json!({"name": "Bob"})).is_err());
        let reply = Greeter::new().subject("ann").update("send-greeting", json!({"name": "Bob"})).unwrap();
        assert_eq!(reply.structured_json(), Some(r#"{"text":"Hello, Bob!","from":"ann"}"#));
    }

    #[test]
    fn the_catalog_says_what_there_is() {
        let catalog = Greeter::new().catalog();
        let names: Vec<_> = catalog.queries.iter().chain(&catalog.updates).map(|operation| operation.name.as_str()).collect();
        assert_eq!(names, ["greet", "languages", "send-greeting"]);
        let [topic] = &catalog.topics[..] else { panic!("one topic, declared and published") };
        assert_eq!((topic.name.as_str(), topic.retained), ("greetings/sent", 5));
        let [_, languages] = &catalog.queries[..] else { panic!() };
        assert_eq!(languages.input_schema, r#"{"type":"object","additionalProperties":false}"#);
        assert_eq!(catalog.updates[0].publishes, ["greetings/sent"]);
        assert!(catalog.updates[0].output_schema.as_ref().is_some_and(|schema| schema.contains("Who greets")));
    }
}
