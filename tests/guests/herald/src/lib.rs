//! Publishes what it is told to: after its updates, and by itself, as often as it is told.

#![allow(clippy::disallowed_methods, reason = "tasks take their time")]

#[cofferdam_plugin::plugin(
    topic(name = "edits", title = "Edits", description = "What was edited", retained = 100, event = Edit),
    topic(name = "rooms/{id}", retained = 10),
    topic(name = "states", retained = 1, overflow = "coalesce"),
    topic(name = "secrets", retained = 10)
)]
mod herald {
    use cofferdam_plugin::prelude::*;
    use core::time::Duration;

    /// Long enough for a host to make a task of the call, when it wants to.
    const A_MOMENT: Duration = Duration::from_millis(100);

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Edit {
        /// What is written
        text: String,
        /// Where
        line: u32,
    }

    /// Writes something, and tells who follows the edits
    #[update(destructive = false, publishes = ["edits"])]
    fn edit(input: Edit) -> Json<Edit> {
        Json(input)
    }

    /// The same, and takes its time
    #[update(destructive = false, task = "optional", publishes = ["edits"])]
    fn edit_slowly(input: Edit) -> Json<Edit> {
        std::thread::sleep(A_MOMENT);
        Json(input)
    }

    /// Fails, so that there is nothing to tell
    #[update(destructive = false, publishes = ["edits"])]
    fn edit_nothing(input: Edit) -> Result<Json<Edit>> {
        Err(Failure::denied(format!("line {} is not to be edited", input.line)))
    }

    #[derive(Deserialize, JsonSchema)]
    struct Said {
        /// In which room
        id: String,
        /// What is said
        text: String,
    }

    /// Says something in a room
    #[update(destructive = false, publishes = ["rooms/{id}", "edits"])]
    fn say(input: Said) -> String {
        format!("{} in {}", input.text, input.id)
    }

    #[derive(Deserialize, JsonSchema)]
    struct Proclamation {
        /// Under which topic
        topic: String,
        /// How often
        #[serde(default = "one")]
        times: u32,
        /// So many bytes of padding in each event
        #[serde(default)]
        bytes: u32,
        /// Of what kind
        kind: Option<String>,
        /// How serious
        severity: Option<String>,
    }

    fn one() -> u32 {
        1
    }

    #[derive(Default, Serialize, JsonSchema)]
    struct Outcome {
        published: u32,
        denied: u32,
        invalid: u32,
        busy: u32,
        other: u32,
        why: Option<String>,
    }

    /// Publishes by itself, and tells what became of it
    #[update(destructive = false)]
    fn proclaim(input: Proclamation) -> Json<Outcome> {
        let mut outcome = Outcome::default();
        let padding = "x".repeat(input.bytes as usize);
        for line in 0..input.times {
            let mut event = Event::new(json!({ "text": padding, "line": line }));
            (event.kind, event.severity) = (input.kind.clone(), input.severity.clone());
            let (count, why) = match events::publish(&input.topic, event) {
                Ok(()) => (&mut outcome.published, None),
                Err(events::Error::Denied(why)) => (&mut outcome.denied, Some(why)),
                Err(events::Error::Invalid(why)) => (&mut outcome.invalid, Some(why)),
                Err(events::Error::Busy(why)) => (&mut outcome.busy, Some(why)),
                Err(error) => (&mut outcome.other, Some(error.to_string())),
            };
            *count += 1;
            outcome.why = why.or(outcome.why);
        }
        Json(outcome)
    }

    #[derive(Deserialize, JsonSchema)]
    struct Anything {
        /// Under which topic
        topic: String,
        /// What
        data: RawJson,
    }

    /// Publishes data as it is
    #[update(destructive = false)]
    fn proclaim_raw(input: Anything) -> Result<String> {
        events::publish(&input.topic, Event::new(input.data))?;
        Ok("published".to_owned())
    }
}
