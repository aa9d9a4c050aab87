//! Ends in every way in which an operation can end.
#![allow(clippy::disallowed_methods, reason = "some operations take their time")]

#[cofferdam_plugin::plugin(topic(name = "kept", description = "Something was kept", retained = 10))]
mod outcomes {
    use cofferdam_plugin::prelude::*;
    use core::time::Duration;
    use std::thread::sleep;

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Said {
        /// What is said
        #[schemars(length(max = 100_000))]
        text: String,
    }

    #[derive(Serialize, JsonSchema)]
    struct Count {
        /// How many letters it has
        letters: u32,
    }

    /// Says it again
    #[query]
    fn say(input: Said) -> String {
        input.text
    }

    /// Counts its letters
    #[query]
    fn count(input: Said) -> Json<Count> {
        Json(Count { letters: u32::try_from(input.text.chars().count()).unwrap_or(u32::MAX) })
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Many {
        /// How many texts of a kilobyte
        #[schemars(range(max = 4_000))]
        kilobytes: u32,
    }

    /// Says a lot
    #[query]
    fn say_much(input: Many) -> Reply {
        (0..input.kilobytes).fold(Reply::new(), |reply, at| reply.text(format!("{at:01024}")))
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    enum Way {
        Invalid,
        NotFound,
        Denied,
        Unavailable,
        Other,
        IsError,
        Trap,
        BadReply,
        ForEver,
        Asleep,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct How {
        /// How it ends
        way: Way,
    }

    /// Does not succeed
    #[query]
    fn fail(input: How) -> Result<Reply> {
        let text = "the text of the failure";
        match input.way {
            Way::Invalid => Err(Failure::invalid(text)),
            Way::NotFound => Err(Failure::not_found(text)),
            Way::Denied => Err(Failure::denied(text)),
            Way::Unavailable => Err(Failure::unavailable(text)),
            Way::Other => Err(Failure::other(text)),
            Way::IsError => Ok(Reply::error(text).text("and more of it")),
            #[expect(clippy::panic, reason = "the trap")]
            Way::Trap => panic!("the password is hunter2"),
            Way::BadReply => Reply::new().text("x").structured(&RawJson::from(String::from("{"))),
            Way::ForEver => loop {
                core::hint::black_box(0);
            },
            Way::Asleep => {
                sleep(Duration::from_secs(3_600));
                Ok(Reply::new())
            }
        }
    }

    #[derive(Deserialize, JsonSchema)]
    struct Name {
        name: String,
    }

    /// Asks its client for a name
    #[query]
    fn ask(cx: &Context) -> Result<String> {
        let Name { name } = cx.elicit("name", "What is your name?")?;
        Ok(name)
    }

    /// Is always a task
    #[query(task = "required")]
    fn only_task() -> &'static str {
        "done"
    }

    /// Takes a moment
    #[query]
    fn dawdle() -> &'static str {
        sleep(Duration::from_millis(100));
        "done"
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Kept {
        /// What is kept
        item: String,
    }

    /// Keeps something (it does not), and tells those who listen
    #[update(destructive = false, idempotent = true, publishes = ["kept"])]
    fn keep(input: Kept) -> Json<Kept> {
        Json(input)
    }
}
