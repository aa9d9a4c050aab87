//! What the official conformance suite of MCP calls, by its names, and with its texts. Beside that, a few things for clients to look at:
//! a resource link, a resource that changes, and an MCP App.
#![allow(clippy::disallowed_methods, reason = "the suite wants tools that take their time")]

mod forms;
#[cfg(test)]
mod tests;

#[cofferdam_plugin::plugin(title = "Conformance", instructions = "Answers the conformance suite. Of no use to models.")]
mod conformance {
    use crate::forms::{Account, Color, Confirm, Name, Ok as Okay, Profile, UserContext, told};
    use cofferdam_plugin::ask::{Form, Roots, Sampling};
    use cofferdam_plugin::content::{Content, Resource};
    use cofferdam_plugin::prelude::*;
    use cofferdam_plugin::serde_json::{self, Value};
    use core::time::Duration;
    use std::thread::sleep;

    const PIXEL: &[u8] = include_bytes!("pixel.png");
    const SILENCE: &[u8] = include_bytes!("silence.wav");
    /// Long enough for the host to make a task of the call.
    const A_WHILE: Duration = Duration::from_millis(400);
    const A_MOMENT: Duration = Duration::from_millis(50);

    // === replies ===

    /// Answers with text
    #[query]
    fn test_simple_text() -> &'static str {
        "This is a simple text response for testing."
    }

    /// Answers with an image
    #[query]
    fn test_image_content() -> Reply {
        Reply::new().image(PIXEL, "image/png")
    }

    /// Answers with a sound
    #[query]
    fn test_audio_content() -> Reply {
        Reply::new().audio(SILENCE, "audio/wav")
    }

    /// Answers with a resource
    #[query]
    fn test_embedded_resource() -> Reply {
        Reply::new().embedded_text("test://embedded-resource", "text/plain", "This is an embedded resource content.")
    }

    /// Answers with text, an image and a resource
    #[query]
    fn test_multiple_content_types() -> Reply {
        let json = r#"{"test":"data","value":123}"#;
        let reply = Reply::new().text("Multiple content types test:").image(PIXEL, "image/png");
        reply.embedded_text("test://mixed-content-resource", "application/json", json)
    }

    /// Answers with a link to a resource
    #[query]
    fn test_resource_link() -> Result<Reply> {
        let link = Resource {
            title: Some("Static text".into()),
            mime_type: Some("text/plain".into()),
            ..Resource::new("test://static-text", "static_text")
        };
        Ok(Reply::new().block(Content::from(link).meta(&json!({"linked": true}))?))
    }

    /// Fails, and says so in its result
    #[query]
    fn test_error_handling() -> Reply {
        Reply::error("This tool intentionally returns an error for testing")
    }

    /// Logs three messages to the client
    #[query]
    fn test_tool_with_logging() -> &'static str {
        client::log(client::Level::Info, "Tool execution started");
        sleep(A_MOMENT);
        client::log(client::Level::Info, "Tool processing data");
        sleep(A_MOMENT);
        client::log(client::Level::Info, "Tool execution completed");
        "Tool with logging executed successfully"
    }

    /// Logs one message to the client
    #[query]
    fn test_logging_tool() -> &'static str {
        client::log_as("test_logging_tool", client::Level::Info, &json!({"message": "logged"}));
        "Logged"
    }

    /// Reports progress three times
    #[query]
    fn test_tool_with_progress() -> &'static str {
        client::progress(0.0, 100.0, "Started");
        sleep(A_MOMENT);
        client::progress(50.0, 100.0, None);
        sleep(A_MOMENT);
        client::progress(100.0, 100.0, None);
        "Tool with progress executed successfully"
    }

    /// Takes its time, so that a client can lose its connection and come back
    #[query]
    fn test_reconnection() -> &'static str {
        sleep(Duration::from_millis(1500));
        "Reconnection test completed successfully"
    }

    // === arguments ===

    /// Takes arguments whose schema uses what JSON Schema 2020-12 has
    #[query(input_schema = include_str!("schema.json"))]
    fn json_schema_2020_12_tool(input: RawJson) -> String {
        format!("JSON Schema 2020-12 tool called with: {}", input.get())
    }

    #[derive(Deserialize, JsonSchema)]
    struct Custom {
        /// Any text; HTTP clients repeat it in the header `Mcp-Param-Value`
        #[schemars(extend("x-mcp-header" = "Value"))]
        value: String,
    }

    /// Takes an argument that HTTP clients repeat in a header
    #[query]
    fn test_custom_header(input: Custom) -> String {
        format!("Header value: {}", input.value)
    }

    // === questions, as the initialize era has them ===

    #[derive(Deserialize, JsonSchema)]
    struct Ask {
        /// The prompt to send to the LLM
        prompt: String,
    }

    /// Asks the client's model
    #[query]
    fn test_sampling(cx: &Context, input: Ask) -> Result<String> {
        Ok(format!("LLM response: {}", cx.sample("sampling", input.prompt, 100)?.text()))
    }

    #[derive(Deserialize, JsonSchema)]
    struct Message {
        /// The message to show the user
        message: String,
    }

    /// Asks the user
    #[query]
    fn test_elicitation(cx: &Context, input: Message) -> Result<String> {
        let answer = cx.ask(Form::<Account>::new("account", input.message).answer())?;
        Ok(format!("User response: {}", told(&answer, ": ")?))
    }

    /// Asks the user with defaults for each kind of field
    #[query]
    fn test_elicitation_sep1034_defaults(cx: &Context) -> Result<String> {
        let answer = cx.ask(Form::<Profile>::new("profile", "Please review your profile").answer())?;
        Ok(format!("Elicitation completed: {}", told(&answer, "=")?))
    }

    /// Asks the user with each kind of choice
    #[query]
    fn test_elicitation_sep1330_enums(cx: &Context) -> Result<String> {
        let schema = serde_json::from_str(include_str!("enums.json"))?;
        let answer = cx.ask(Form::<Value>::with_schema("choices", "Please choose", schema).answer())?;
        Ok(format!("Elicitation completed: {}", told(&answer, "=")?))
    }

    /// Asks the user to open a page
    #[query]
    fn test_elicitation_url(cx: &Context) -> Result<&'static str> {
        cx.elicit_url("page", "Please sign in", "https://example.com/sign-in")?;
        Ok("The user agreed to open the page")
    }

    // === questions, as 2026-07-28 has them ===

    /// Asks for the user's name
    #[query]
    fn test_input_required_result_elicitation(cx: &Context) -> Result<String> {
        let Name { name } = cx.elicit("user_name", "What is your name?")?;
        Ok(format!("Hello, {name}!"))
    }

    /// Asks the client's model
    #[query]
    fn test_input_required_result_sampling(cx: &Context) -> Result<String> {
        Ok(cx.sample("capital_question", "What is the capital of France?", 100)?.text().into())
    }

    /// Asks for the client's roots
    #[query]
    fn test_input_required_result_list_roots(cx: &Context) -> Result<String> {
        let roots = cx.roots("client_roots")?;
        Ok(format!("Client roots: {}", roots.iter().map(|root| root.uri.as_str()).collect::<Vec<_>>().join(", ")))
    }

    /// Asks, and keeps a state meanwhile
    #[query]
    fn test_input_required_result_request_state(cx: &Context) -> Result<String> {
        cx.keep(&"asked to confirm")?;
        let Okay { ok } = cx.elicit("confirm", "Please confirm")?;
        match cx.kept::<String>().as_deref() {
            Some("asked to confirm") => Ok(format!("state-ok, confirmed: {ok}")),
            other => Err(Failure::invalid(format!("the state came back as {other:?}"))),
        }
    }

    /// Asks three things at once
    #[query]
    fn test_input_required_result_multiple_inputs(cx: &Context) -> Result<String> {
        cx.keep(&"asked three things")?;
        let (person, greeting, roots) = cx.ask((
            Form::<Name>::new("user_name", "What is your name?"),
            Sampling::new("greeting", "Generate a greeting", 50),
            Roots::new("client_roots"),
        ))?;
        Ok(format!("{} {}, with {} roots", greeting.text(), person.name, roots.len()))
    }

    /// Asks one thing after the other
    #[query]
    fn test_input_required_result_multi_round(cx: &Context) -> Result<String> {
        cx.keep(&json!({"round": 1}))?;
        let Name { name } = cx.elicit("step1", "Step 1: What is your name?")?;
        cx.keep(&json!({"round": 2, "name": name}))?;
        let Color { color } = cx.elicit("step2", "Step 2: What is your favorite color?")?;
        Ok(format!("{name} likes {color}"))
    }

    /// Asks with a state that the client must not change
    #[query]
    fn test_input_required_result_tampered_state(cx: &Context) -> Result<String> {
        cx.keep(&"nobody changed this")?;
        let Okay { ok } = cx.elicit("confirm", "Please confirm")?;
        Ok(format!("confirmed: {ok}"))
    }

    /// Asks only what the client can answer
    #[query]
    fn test_input_required_result_capabilities(cx: &Context) -> Result<String> {
        let can = cx.client();
        let (person, greeting, roots) = cx.ask((
            can.elicitation_form.then(|| Form::<Name>::new("user_name", "What is your name?")),
            can.sampling.then(|| Sampling::new("greeting", "Generate a greeting", 50)),
            can.roots.then(|| Roots::new("client_roots")),
        ))?;
        let asked = [person.is_some(), greeting.is_some(), roots.is_some()].into_iter().filter(|asked| *asked).count();
        Ok(format!("The client could answer {asked} of 3 questions"))
    }

    /// Needs a client that can be asked for a message of its model
    #[query]
    fn test_missing_capability(cx: &Context) -> Result<String> {
        Ok(cx.sample("needed", "Say anything", 10)?.text().into())
    }

    /// Asks the user in the middle of a stream
    #[query]
    fn test_streaming_elicitation(cx: &Context) -> Result<String> {
        client::progress(1.0, 2.0, "Asking");
        let Name { name } = cx.elicit("user_name", "What is your name?")?;
        client::progress(2.0, 2.0, "Asked");
        Ok(format!("Hello, {name}!"))
    }

    // === tasks ===

    #[derive(Deserialize, JsonSchema)]
    struct Person {
        /// Who is greeted
        name: String,
    }

    /// Greets at once
    #[query]
    fn greet(input: Person) -> String {
        format!("Hello, {}!", input.name)
    }

    #[derive(Deserialize, JsonSchema)]
    struct Slow {
        /// How long it takes
        #[schemars(range(min = 0.0, max = 3600.0))]
        seconds: f64,
        /// What the result is called
        label: Option<String>,
    }

    /// Takes as long as it is told
    #[query(task = "optional")]
    fn slow_compute(input: Slow) -> String {
        sleep(Duration::from_secs_f64(input.seconds));
        format!("{}: computed for {} s", input.label.as_deref().unwrap_or("slow_compute"), input.seconds)
    }

    /// Fails after a second, and says so in its result
    #[query(task = "required")]
    fn failing_job() -> Reply {
        sleep(Duration::from_secs(1));
        Reply::error("This job intentionally fails")
    }

    /// Ends in an error of the protocol
    #[query(task = "optional")]
    #[expect(clippy::panic, reason = "the error")]
    fn protocol_error_job() {
        sleep(A_WHILE);
        panic!("this job intentionally ends in an error of the protocol");
    }

    #[derive(Deserialize, JsonSchema)]
    struct Delete {
        /// Which file
        filename: Option<String>,
    }

    /// Asks before it deletes a file (it does not)
    #[update(task = "optional")]
    fn confirm_delete(cx: &Context, input: Delete) -> Result<String> {
        sleep(A_WHILE);
        let file = input.filename.as_deref().unwrap_or("file.txt");
        let Confirm { confirm } = cx.elicit("confirm", format!("Delete {file}?"))?;
        Ok(format!("{file} was {}", if confirm { "deleted" } else { "kept" }))
    }

    /// Asks two things at once while it is a task
    #[query(task = "optional")]
    fn multi_input(cx: &Context) -> Result<String> {
        sleep(A_WHILE);
        let (first, second) =
            cx.ask((Form::<Name>::new("first", "What is your first name?"), Form::<Name>::new("second", "What is your second name?")))?;
        Ok(format!("Hello, {} {}!", first.name, second.name))
    }

    /// Asks, and then goes on as a task
    #[query(task = "required")]
    fn test_tool_with_task(cx: &Context) -> Result<String> {
        let Name { name } = cx.elicit("user_name", "What is your name?")?;
        sleep(A_WHILE + A_WHILE);
        Ok(format!("Hello, {name}! This took a while."))
    }

    // === changes ===

    /// Tells that the list of tools changed
    #[update(destructive = false, idempotent = true)]
    fn test_trigger_tool_change() -> &'static str {
        changes::list_changed(changes::Listing::Tools);
        "Tools changed"
    }

    /// Tells that the list of prompts changed
    #[update(destructive = false, idempotent = true)]
    fn test_trigger_prompt_change() -> &'static str {
        changes::list_changed(changes::Listing::Prompts);
        "Prompts changed"
    }

    /// Tells that the list of resources changed
    #[update(destructive = false, idempotent = true)]
    fn test_trigger_resource_change() -> &'static str {
        changes::list_changed(changes::Listing::Resources);
        "Resources changed"
    }

    /// Tells that `test://watched-resource` changed
    #[update(destructive = false, idempotent = true)]
    fn test_update_watched_resource() -> &'static str {
        changes::resource_updated("test://watched-resource");
        "Resource updated"
    }

    // === an MCP App ===

    /// Shows an app
    #[query(meta = r#"{"ui":{"resourceUri":"ui://conformance/app.html","visibility":["model","app"]}}"#)]
    fn test_mcp_app() -> Result<Reply> {
        Reply::new().text("An MCP App").structured(&json!({"shown": true}))?.meta(&json!({"test": "app"}))
    }

    /// The app of `test_mcp_app`
    #[resource(
        uri = "ui://conformance/app.html",
        mime = "text/html;profile=mcp-app",
        meta = r#"{"ui":{"prefersBorder":true,"csp":{"connectDomains":[],"resourceDomains":[]}}}"#
    )]
    fn app() -> Result<Contents> {
        Contents::new().text(include_str!("app.html")).meta(&json!({"ui": {"prefersBorder": true}}))
    }

    // === a skill ===

    /// Greets people by their names
    #[resource(
        uri = "skill://greet-people/SKILL.md",
        name = "greet-people",
        mime = "text/markdown",
        meta = r#"{"io.modelcontextprotocol.skills/frontmatter":{"name":"greet-people","description":"Greets people by their names"}}"#
    )]
    fn skill() -> &'static str {
        include_str!("SKILL.md")
    }

    // === resources ===

    /// A text that never changes
    #[resource(
        uri = "test://static-text",
        title = "Static text",
        mime = "text/plain",
        size_bytes = 48,
        audience = ["user", "assistant"],
        priority = 0.5,
        cache_ms = 60_000,
        cache_shared = true
    )]
    fn static_text() -> &'static str {
        "This is the content of the static text resource."
    }

    /// An image that never changes
    #[resource(uri = "test://static-binary", mime = "image/png", cache_ms = 60_000, cache_shared = true)]
    fn static_binary() -> &'static [u8] {
        PIXEL
    }

    /// A resource that `test_update_watched_resource` changes
    #[resource(uri = "test://watched-resource", mime = "text/plain")]
    fn watched_resource() -> String {
        format!("Watched at {}", now_rfc3339())
    }

    /// The resource of `test_embedded_resource`
    #[resource(uri = "test://embedded-resource", mime = "text/plain")]
    fn embedded_resource() -> &'static str {
        "This is an embedded resource content."
    }

    #[derive(Deserialize)]
    struct DataOf {
        id: String,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Data {
        id: String,
        template_test: bool,
        data: String,
    }

    /// The data of an id
    #[resource(template = "test://template/{id}/data", mime = "application/json")]
    fn template_data(of: DataOf) -> Json<Data> {
        Json(Data { data: format!("Data for ID: {}", of.id), id: of.id, template_test: true })
    }

    #[complete(template = "test://template/{id}/data", argument = "id")]
    fn template_id(typed: &str) -> Suggestions {
        Suggestions::starting_with(typed, ["1", "12", "123"])
    }

    // === prompts ===

    /// A prompt without arguments
    #[prompt]
    fn test_simple_prompt() -> &'static str {
        "This is a simple prompt for testing."
    }

    #[derive(Deserialize, JsonSchema)]
    struct TwoArguments {
        /// First test argument
        arg1: String,
        /// Second test argument
        arg2: String,
    }

    /// A prompt with two arguments
    #[prompt]
    fn test_prompt_with_arguments(input: TwoArguments) -> String {
        format!("Prompt with arguments: arg1='{}', arg2='{}'", input.arg1, input.arg2)
    }

    #[complete(prompt = "test_prompt_with_arguments", argument = "arg1")]
    fn arg1(typed: &str) -> Suggestions {
        Suggestions::starting_with(typed, ["paris", "park", "party"]).total(3)
    }

    #[complete(prompt = "test_prompt_with_arguments", argument = "arg2")]
    fn arg2(typed: &str, others: &Others) -> Vec<String> {
        vec![format!("{}-{typed}", others.get("arg1").unwrap_or("arg1"))]
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "camelCase")]
    struct Embed {
        /// URI of the resource to embed
        resource_uri: String,
    }

    /// A prompt with a resource
    #[prompt]
    fn test_prompt_with_embedded_resource(input: Embed) -> Prompt {
        let resource = Content::embedded_text(input.resource_uri, "text/plain", "Embedded resource content for testing.");
        Prompt::new().user(resource).user("Please process the embedded resource above.")
    }

    /// A prompt with an image
    #[prompt]
    fn test_prompt_with_image() -> Prompt {
        Prompt::new().user(Content::image(PIXEL, "image/png")).user("Please analyze the image above.")
    }

    /// A prompt that asks the user first
    #[prompt]
    fn test_input_required_result_prompt(cx: &Context) -> Result<String> {
        let UserContext { context } = cx.elicit("user_context", "What context should the prompt use?")?;
        Ok(format!("Use this context: {context}"))
    }
}
