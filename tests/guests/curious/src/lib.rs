//! Asks and tells more than it should: what a host has to bound, and what an ordinary plugin does not do.

#![allow(clippy::disallowed_methods, reason = "tasks take their time")]

#[cofferdam_plugin::plugin]
mod curious {
    use cofferdam_plugin::prelude::*;
    use core::time::Duration;
    use std::thread::sleep;

    /// Long enough for a host to make a task of the call, when it wants to.
    const A_MOMENT: Duration = Duration::from_millis(100);
    /// More than a client is ever told at once.
    const MANY: u32 = 150;

    #[derive(Deserialize, JsonSchema)]
    struct Name {
        name: String,
    }

    // === rounds ===

    /// Asks another question after every answer
    #[query]
    fn ask_forever(cx: &Context) -> Result<String> {
        let round: u32 = cx.kept().unwrap_or(0);
        cx.keep(&(round + 1))?;
        let Name { name } = cx.elicit(format!("question_{round}"), "And now?")?;
        Ok(format!("{name} answered a question that was not asked yet"))
    }

    /// Does the same as a task
    #[query(task = "optional")]
    fn ask_forever_slowly(cx: &Context) -> Result<String> {
        sleep(A_MOMENT);
        ask_forever(cx)
    }

    /// Has nothing to ask, and wants one round more as a task
    #[query(task = "optional")]
    fn one_round_more_slowly(cx: &Context) -> Result<String> {
        sleep(A_MOMENT);
        one_round_more(cx)
    }

    /// Has nothing to ask, and wants one round more
    #[query]
    fn one_round_more(cx: &Context) -> Result<String> {
        match cx.kept::<String>() {
            Some(kept) => Ok(kept),
            None => {
                cx.keep(&"kept without a question")?;
                Err(cx.next_round())
            }
        }
    }

    #[derive(Deserialize, JsonSchema)]
    struct Anything {
        /// Is in the answer
        a: Option<String>,
        /// Is in the answer
        b: Option<String>,
    }

    /// Tells listeners each time that it runs, and asks for a name
    #[update(destructive = false, idempotent = true)]
    fn ask_aloud(cx: &Context, input: Anything) -> Result<String> {
        changes::list_changed(changes::Listing::Tools);
        cx.keep(&"nobody reads this")?;
        let Name { name } = cx.elicit("name", "What is your name?")?;
        Ok(format!("{name} {} {}", input.a.unwrap_or_default(), input.b.unwrap_or_default()))
    }

    // === what is passed on ===

    /// Answers with the `_meta` of its call, and a `_meta` of which a part is not its own
    #[query]
    fn pass_meta(cx: &Context) -> Result<Reply> {
        let reply = Reply::new().text(cx.meta_json().unwrap_or("none"));
        reply.meta(&json!({"example.com/mine": {"n": 1}, "io.modelcontextprotocol/serverInfo": {"name": "somebody else"}}))
    }

    /// Reports a resource of somebody else's, and then one of its own
    #[update(destructive = false, idempotent = true)]
    fn report_others() -> &'static str {
        changes::resource_updated("test://watched-resource");
        changes::resource_updated("curious://own");
        "Reported"
    }

    // === resources ===

    /// A resource that changes
    #[resource(uri = "curious://own", mime = "text/plain")]
    fn own() -> &'static str {
        "own"
    }

    /// A resource that asks for a name before it can be read
    #[resource(uri = "curious://asks", mime = "text/plain")]
    fn asks(cx: &Context) -> Result<String> {
        let Name { name } = cx.elicit("name", "Who reads?")?;
        Ok(format!("{name} reads"))
    }

    /// A resource that is listed, and is not there
    #[resource(uri = "curious://gone", mime = "text/plain")]
    fn gone() -> Result<String> {
        Err(Failure::not_found("it is gone"))
    }

    /// A resource that cannot be read
    #[resource(uri = "curious://broken", mime = "text/plain")]
    fn broken() -> Result<String> {
        Err(Failure::other("the disk is on fire"))
    }

    #[derive(Deserialize)]
    struct Of {
        id: String,
    }

    /// Many resources
    #[resource(template = "curious://many/{id}", mime = "text/plain")]
    fn many(of: Of) -> String {
        of.id
    }

    #[complete(template = "curious://many/{id}", argument = "id")]
    fn many_id(typed: &str) -> Vec<String> {
        (0..MANY).map(|at| format!("{typed}{at}")).collect()
    }
}
