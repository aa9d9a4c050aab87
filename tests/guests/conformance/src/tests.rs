//! The trickier parts, natively.

use crate::conformance::Plugin;
use cofferdam_plugin::content::{Body, Content, Role};
use cofferdam_plugin::prelude::*;
use cofferdam_plugin::serde_json::{self, Value};
use cofferdam_plugin::testing::{Client, Report};
use cofferdam_plugin::{ClientAbilities, changes, client};

fn client() -> Client<Plugin> {
    Client::new()
}

/// What the client is asked, by key: `form`, `sampling` or `roots`, and the params.
fn asked(failure: &Failure) -> Vec<(String, &'static str, Value)> {
    use cofferdam_plugin::ask::Request;
    let asked = failure.asked().expect("a question");
    let kind = |request: &Request| match request {
        Request::Elicitation(params) => ("form", serde_json::from_str(params).unwrap()),
        Request::Sampling(params) => ("sampling", serde_json::from_str(params).unwrap()),
        Request::Roots => ("roots", Value::Null),
    };
    asked.requests.iter().map(|keyed| (keyed.key.clone(), kind(&keyed.request).0, kind(&keyed.request).1)).collect()
}

fn state(failure: &Failure) -> Option<&str> {
    failure.asked().and_then(|asked| asked.state.as_deref())
}

#[test]
fn the_name_is_asked_for_in_the_suites_words() {
    let failure = client().query("test_input_required_result_elicitation", json!({})).unwrap_err();
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
    let params = json!({"message": "What is your name?", "requestedSchema": schema});
    assert_eq!(asked(&failure), [("user_name".into(), "form", params)]);
    assert_eq!(state(&failure), None);
}

#[test]
fn only_an_answer_that_fits_is_taken() {
    let call = |client: Client<Plugin>| client.query("test_input_required_result_elicitation", json!({}));
    let reply = call(client().accept("user_name", json!({"name": "Alice", "more": 1})).accept("unknown", json!({}))).unwrap();
    assert_eq!(reply.first_text(), Some("Hello, Alice!"));
    for wrong in [json!(12345), json!({"action": "accept"}), json!({"action": "accept", "content": {"name": 1}}), json!({})] {
        assert_eq!(asked(&call(client().answer("user_name", wrong)).unwrap_err()).len(), 1);
    }
    assert_eq!(asked(&call(client().accept("wrong_key", json!({"data": "wrong"}))).unwrap_err()).len(), 1);
    let declined = call(client().decline("user_name")).unwrap_err();
    assert_eq!(declined, Failure::denied("the user did not answer: What is your name?"));
}

#[test]
fn states_come_back_and_differ_from_round_to_round() {
    let reply = client().accept("confirm", json!({"ok": true})).query("test_input_required_result_request_state", json!({})).unwrap();
    assert!(reply.first_text().unwrap().contains("state-ok"));

    let call = |client: &Client<Plugin>| client.query("test_input_required_result_multi_round", json!({}));
    let first = call(&client()).unwrap_err();
    let named = client().accept("step1", json!({"name": "Alice"}));
    let second = call(&named).unwrap_err();
    assert_eq!((asked(&first)[0].0.as_str(), asked(&second)[0].0.as_str()), ("step1", "step2"));
    assert!(state(&first).is_some() && state(&second).is_some() && state(&first) != state(&second));
    let reply = call(&named.accept("step2", json!({"color": "blue"}))).unwrap();
    assert_eq!(reply.first_text(), Some("Alice likes blue"));
}

#[test]
fn several_questions_go_out_together_and_open_ones_again() {
    let call = |client: &Client<Plugin>| client.query("test_input_required_result_multiple_inputs", json!({}));
    let keys = |failure: &Failure| asked(failure).into_iter().map(|(key, kind, _)| (key, kind)).collect::<Vec<_>>();
    let all = call(&client()).unwrap_err();
    assert_eq!(keys(&all), [("user_name".into(), "form"), ("greeting".into(), "sampling"), ("client_roots".into(), "roots")]);
    assert_eq!(
        asked(&all)[1].2,
        json!({"messages": [{"role": "user", "content": {"type": "text", "text": "Generate a greeting"}}], "maxTokens": 50})
    );
    let some = client().accept("user_name", json!({"name": "Alice"})).say("greeting", "Salut");
    let reply = call(&some.answer("client_roots", json!({"roots": [{"uri": "file:///a", "name": "a"}, {"uri": "file:///b"}]}))).unwrap();
    assert_eq!(reply.first_text(), Some("Salut Alice, with 2 roots"));
}

#[test]
fn a_client_is_asked_only_what_it_can_answer() {
    let with = |elicitation_form, sampling| ClientAbilities { elicitation_form, elicitation_url: false, sampling, roots: false };
    let call = |abilities| client().abilities(abilities).query("test_input_required_result_capabilities", json!({}));
    let failure = call(with(false, true)).unwrap_err();
    assert_eq!(asked(&failure).len(), 1);
    assert_eq!(asked(&failure)[0].1, "sampling");
    assert_eq!(call(with(false, false)).unwrap().first_text(), Some("The client could answer 0 of 3 questions"));
}

#[test]
fn forms_have_the_defaults_and_choices_of_the_suite() {
    let failure = client().query("test_elicitation_sep1034_defaults", json!({})).unwrap_err();
    let params = &asked(&failure)[0].2;
    let properties = params["requestedSchema"]["properties"].clone();
    let expected = json!({
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "minimum": 0, "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": true},
    });
    assert_eq!(properties, expected);
    let text = failure.asked().and_then(|asked| match &asked.requests[0].request {
        cofferdam_plugin::ask::Request::Elicitation(params) => Some(params.clone()),
        _ => None,
    });
    let text = text.unwrap();
    let at = |name: &str| text.find(&format!("\"{name}\":{{")).unwrap();
    assert!(at("name") < at("age") && at("age") < at("score") && at("score") < at("status") && at("status") < at("verified"), "{text}");

    let reply = client().accept("profile", json!({"name": "Jane Smith", "age": 25, "score": 88, "status": "inactive", "verified": false}));
    let reply = reply.query("test_elicitation_sep1034_defaults", json!({})).unwrap();
    let told =
        r#"Elicitation completed: action=accept, content={"name":"Jane Smith","age":25,"score":88.0,"status":"inactive","verified":false}"#;
    assert_eq!(reply.first_text(), Some(told));
    let reply = client().decline("choices").query("test_elicitation_sep1330_enums", json!({})).unwrap();
    assert_eq!(reply.first_text(), Some("Elicitation completed: action=decline, content={}"));
}

#[test]
fn the_schema_of_2020_12_is_passed_on_as_it_is() {
    let catalog = client().catalog();
    let tool = catalog.queries.iter().find(|query| query.name == "json_schema_2020_12_tool").unwrap();
    assert_eq!(tool.input_schema, include_str!("schema.json"));
    let header = catalog.queries.iter().find(|query| query.name == "test_custom_header").unwrap();
    assert!(header.input_schema.contains(r#""x-mcp-header":"Value""#), "{}", header.input_schema);
}

#[test]
fn resources_are_read_by_uri_and_by_template() {
    let read = |uri| client().read(uri).unwrap();
    assert_eq!(read("test://static-text").first_text(), Some("This is the content of the static text resource."));
    assert!(matches!(&read("test://static-binary").items()[0].body, Body::Blob(png) if png.starts_with(b"\x89PNG")));
    let data = read("test://template/123/data");
    assert_eq!(data.first_text(), Some(r#"{"id":"123","templateTest":true,"data":"Data for ID: 123"}"#));
    assert_eq!(
        (data.items()[0].uri.as_str(), data.items()[0].mime_type.as_deref()),
        ("test://template/123/data", Some("application/json"))
    );
    assert!(read("ui://conformance/app.html").items()[0].meta.is_some());
    assert_eq!(client().read("test://nonexistent").unwrap_err().kind(), FailureKind::NotFound);
}

#[test]
fn prompts_are_filled_in_and_completed() {
    let prompt = client().prompt("test_prompt_with_arguments", &[("arg1", "hello"), ("arg2", "world")]).unwrap();
    assert_eq!(prompt.first_text(), Some("Prompt with arguments: arg1='hello', arg2='world'"));
    let prompt = client().prompt("test_prompt_with_embedded_resource", &[("resourceUri", "test://x")]).unwrap();
    let [resource, text] = prompt.messages() else { panic!("two messages") };
    assert!(matches!(&resource.content, Content::Embedded(block) if block.contents.uri == "test://x"));
    assert_eq!(text.role, Role::User);
    let context = client().accept("user_context", json!({"context": "tea"}));
    assert_eq!(context.prompt("test_input_required_result_prompt", &[]).unwrap().first_text(), Some("Use this context: tea"));

    let catalog = client().catalog();
    let arguments = |name: &str| &catalog.prompts.iter().find(|prompt| prompt.name == name).unwrap().arguments;
    let [first, second] = &arguments("test_prompt_with_arguments")[..] else { panic!("two arguments") };
    assert_eq!((first.name.as_str(), first.required, second.description.as_deref()), ("arg1", true, Some("Second test argument")));
    let suggestions = client().complete_prompt("test_prompt_with_arguments", "arg2", "x", &[("arg1", "y")]).unwrap();
    assert_eq!(suggestions.values(), ["y-x"]);
    assert_eq!(client().complete_template("test://template/{id}/data", "id", "12", &[]).unwrap().values().len(), 2);
}

#[test]
fn the_client_is_told() {
    let client = client();
    client.query("test_tool_with_progress", json!({})).unwrap();
    let done: Vec<_> =
        client.reports().iter().map(|report| if let Report::Progress { done, .. } = report { *done } else { -1.0 }).collect();
    assert_eq!(done, [0.0, 50.0, 100.0]);
    client.query("test_tool_with_logging", json!({})).unwrap();
    let data = json!("Tool processing data");
    assert_eq!(client.reports()[1], Report::Log { level: client::Level::Info, logger: None, data });
    client.update("test_trigger_prompt_change", json!({})).unwrap();
    client.update("test_update_watched_resource", json!({})).unwrap();
    let expected = [Report::ListChanged(changes::Listing::Prompts), Report::ResourceUpdated("test://watched-resource".into())];
    assert_eq!(client.reports(), expected);
}
