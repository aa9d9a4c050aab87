//! Handlers that ask their client (2026-07-28, multi-round-trip requests).

use super::{Session, accepted, error, plugins, start, started};
use base64::Engine as _;
use serde_json::{Value, json};
use tests::stateless::Client;

/// Sends a request that has to be answered with questions: the result.
fn asked(client: &Client, method: &str, params: Value) -> Value {
    let result = client.result(method, params);
    assert_eq!(result["resultType"], "input_required", "{result}");
    assert!(result.get("ttlMs").is_none() && result.get("cacheScope").is_none() && result.get("content").is_none(), "{result}");
    result
}

/// The same request again, with answers and the state of the last one.
fn again(mut params: Value, asked: &Value, answers: Value) -> Value {
    params["inputResponses"] = answers;
    if let Some(state) = asked.get("requestState") {
        params["requestState"] = state.clone();
    }
    params
}

fn tool(name: &str) -> Value {
    json!({"name": name, "arguments": {}})
}

fn text(result: &Value) -> &str {
    assert!(result["resultType"] == "complete" && result.get("requestState").is_none(), "{result}");
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result}"))
}

#[test]
fn a_question_is_asked_and_answered() {
    let (_host, client) = start();
    let client = client.with(json!({"elicitation": {}}));
    let call = tool("test_input_required_result_elicitation");
    let question = asked(&client, "tools/call", call.clone());
    let request = &question["inputRequests"]["user_name"];
    assert_eq!(request["method"], "elicitation/create");
    assert!(request.get("id").is_none() && request.get("jsonrpc").is_none(), "{request}");
    assert_eq!(request["params"]["message"], "What is your name?");
    assert_eq!(request["params"]["requestedSchema"]["properties"]["name"]["type"], "string");
    assert_eq!(question["inputRequests"].as_object().unwrap().len(), 1);
    // There is nothing to bring back.
    assert!(question.get("requestState").is_none(), "{question}");
    let done = client.result("tools/call", again(call, &question, json!({"user_name": accepted(json!({"name": "Ada"}))})));
    assert_eq!(text(&done), "Hello, Ada!");
}

#[test]
fn answers_that_are_none_are_asked_for_again() {
    let (_host, client) = start();
    let client = client.with(json!({"elicitation": {}}));
    let call = tool("test_input_required_result_elicitation");
    let first = asked(&client, "tools/call", call.clone());
    let answer = accepted(json!({"name": "Ada"}));
    for answers in [
        json!({}),
        json!({"user_nam": answer}),
        json!({"": answer, "USER_NAME": answer}),
        json!({"user_name": 5}),
        json!({"user_name": "Ada"}),
        json!({"user_name": null}),
        json!({"user_name": [answer]}),
        json!({"user_name": {}}),
        json!({"user_name": {"action": "nonsense"}}),
        json!({"user_name": accepted(json!({"name": 5}))}),
        json!({"user_name": {"action": "accept"}}),
    ] {
        let second = asked(&client, "tools/call", again(call.clone(), &first, answers.clone()));
        assert_eq!(second["inputRequests"], first["inputRequests"], "{answers}");
    }
    // What nobody asked for does no harm.
    let done = client.result("tools/call", again(call.clone(), &first, json!({"user_name": answer, "other": answer, "odd": 5})));
    assert_eq!(text(&done), "Hello, Ada!");
    for answers in [json!([]), json!(5), json!("x")] {
        let refused = client.send("tools/call", again(call.clone(), &first, answers.clone()));
        assert_eq!(error(&refused), (200, -32602, Value::Null), "{answers}");
    }
    for action in ["decline", "cancel"] {
        let done = client.result("tools/call", again(call.clone(), &first, json!({"user_name": {"action": action}})));
        assert_eq!(done["isError"], true, "{action}: {done}");
    }
}

#[test]
fn two_rounds_and_only_the_newest_answers_are_sent() {
    let (_host, client) = start();
    let client = client.with(json!({"elicitation": {}}));
    let call = tool("test_input_required_result_multi_round");
    let first = asked(&client, "tools/call", call.clone());
    assert_eq!(first["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), ["step1"]);
    let second = asked(&client, "tools/call", again(call.clone(), &first, json!({"step1": accepted(json!({"name": "Ada Lovelace"}))})));
    assert_eq!(second["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), ["step2"]);
    assert_ne!(first["requestState"], second["requestState"]);
    let done = client.result("tools/call", again(call.clone(), &second, json!({"step2": accepted(json!({"color": "blue"}))})));
    assert_eq!(text(&done), "Ada Lovelace likes blue");
    // A client that sends all of them again is right as well; the newer answer counts.
    let both = json!({"step1": accepted(json!({"name": "Grace"})), "step2": accepted(json!({"color": "red"}))});
    assert_eq!(text(&client.result("tools/call", again(call.clone(), &second, both))), "Grace likes red");
    // Without the state it is at the beginning.
    let lost = client.result("tools/call", again(call, &json!({}), json!({"step2": accepted(json!({"color": "blue"}))})));
    assert_eq!(lost["inputRequests"], first["inputRequests"]);
}

#[test]
fn what_travels_in_the_state_cannot_be_read() {
    let (_host, client) = start();
    let client = client.with(json!({"elicitation": {}}));
    let call = tool("test_input_required_result_multi_round");
    let first = asked(&client, "tools/call", call.clone());
    let name = json!({"step1": accepted(json!({"name": "Ada Lovelace"}))});
    let states: Vec<_> =
        (0..2).map(|_| asked(&client, "tools/call", again(call.clone(), &first, name.clone()))["requestState"].clone()).collect();
    assert_ne!(states[0], states[1], "no two are alike");
    for state in states.iter().map(|state| state.as_str().unwrap()) {
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(state).expect("base64");
        let plain = String::from_utf8_lossy(&bytes);
        for word in ["Ada", "Lovelace", "step1", "accept", "round", "name"] {
            assert!(!plain.contains(word) && !state.contains(word), "{word}: {plain}");
        }
    }
}

#[test]
fn a_state_alone_is_enough_for_another_round() {
    let (_host, client) = start();
    let call = tool("one_round_more");
    let more = asked(&client, "tools/call", call.clone());
    assert!(more.get("inputRequests").is_none() && more["requestState"].is_string(), "{more}");
    let mut params = call;
    params["requestState"] = more["requestState"].clone();
    assert_eq!(text(&client.result("tools/call", params)), "kept without a question");
}

#[test]
fn prompts_and_resources_ask_too() {
    let (_host, client) = start();
    let client = client.with(json!({"elicitation": {}}));
    let prompt = json!({"name": "test_input_required_result_prompt"});
    let question = asked(&client, "prompts/get", prompt.clone());
    let answers = json!({"user_context": accepted(json!({"context": "a test"}))});
    let filled = client.result("prompts/get", again(prompt, &question, answers));
    assert_eq!(filled["messages"][0]["content"]["text"], "Use this context: a test");

    let resource = json!({"uri": "curious://asks"});
    let question = asked(&client, "resources/read", resource.clone());
    let read = client.result("resources/read", again(resource, &question, json!({"name": accepted(json!({"name": "Ada"}))})));
    assert_eq!((&read["contents"][0]["text"], &read["resultType"]), (&json!("Ada reads"), &json!("complete")));
}

#[test]
fn c34_nobody_is_asked_what_he_did_not_say_he_can_answer() {
    let (_host, client) = start();
    let (form, url, sampling) = (json!({"elicitation": {}}), json!({"elicitation": {"url": {}}}), json!({"sampling": {}}));
    for (capabilities, method, params, missing) in [
        (json!({}), "tools/call", tool("test_missing_capability"), sampling.clone()),
        (form.clone(), "tools/call", tool("test_missing_capability"), sampling.clone()),
        (json!({}), "tools/call", tool("test_input_required_result_list_roots"), json!({"roots": {}})),
        (json!({}), "tools/call", tool("test_input_required_result_elicitation"), form.clone()),
        (url.clone(), "tools/call", tool("test_input_required_result_elicitation"), form.clone()),
        (form.clone(), "tools/call", tool("test_elicitation_url"), url.clone()),
        (json!({"elicitation": {"form": {}}}), "tools/call", tool("test_elicitation_url"), url.clone()),
        (
            json!({}),
            "tools/call",
            tool("test_input_required_result_multiple_inputs"),
            json!({"elicitation": {}, "roots": {}, "sampling": {}}),
        ),
        (
            json!({"roots": {}, "elicitation": {"url": {}}}),
            "tools/call",
            tool("test_input_required_result_multiple_inputs"),
            json!({"elicitation": {}, "sampling": {}}),
        ),
        (json!({}), "prompts/get", json!({"name": "test_input_required_result_prompt"}), form.clone()),
        (json!({}), "resources/read", json!({"uri": "curious://asks"}), form.clone()),
    ] {
        let answer = client.with(capabilities.clone()).send(method, params.clone());
        assert_eq!(error(&answer), (400, -32021, json!({"requiredCapabilities": missing})), "{capabilities} {params}");
    }
    // What was declared with one request does not hold for the next.
    let able = client.with(json!({"elicitation": {"url": {}}}));
    let call = tool("test_elicitation_url");
    let question = asked(&able, "tools/call", call.clone());
    let params = &question["inputRequests"]["page"]["params"];
    assert_eq!((&params["mode"], &params["url"]), (&json!("url"), &json!("https://example.com/sign-in")));
    assert_eq!(error(&client.send("tools/call", call.clone())).1, -32021);
    let done = able.result("tools/call", again(call, &question, json!({"page": {"action": "accept"}})));
    assert_eq!(text(&done), "The user agreed to open the page");
}

#[test]
fn several_questions_at_once_and_only_those_that_can_be_answered() {
    let (_host, client) = start();
    let all = client.with(json!({"elicitation": {}, "sampling": {}, "roots": {}}));
    let call = tool("test_input_required_result_multiple_inputs");
    let question = asked(&all, "tools/call", call.clone());
    let methods: Vec<_> =
        question["inputRequests"].as_object().unwrap().iter().map(|(key, request)| (key.as_str(), &request["method"])).collect();
    let expected = [("client_roots", "roots/list"), ("greeting", "sampling/createMessage"), ("user_name", "elicitation/create")];
    assert_eq!(methods, expected.map(|(key, _)| key).into_iter().zip(&expected.map(|(_, method)| json!(method))).collect::<Vec<_>>());
    let answers = json!({
        "user_name": accepted(json!({"name": "Ada"})),
        "greeting": {"role": "assistant", "content": {"type": "text", "text": "Good day,"}, "model": "m"},
        "client_roots": {"roots": [{"uri": "file:///home"}]},
    });
    // Half of the answers: the rest is asked for, and what was answered is kept.
    let mut half = answers.clone();
    half.as_object_mut().unwrap().remove("greeting");
    let rest = asked(&all, "tools/call", again(call.clone(), &question, half));
    assert_eq!(rest["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), ["greeting"]);
    let done = all.result("tools/call", again(call, &rest, json!({"greeting": answers["greeting"]})));
    assert_eq!(text(&done), "Good day, Ada, with 1 roots");

    let call = tool("test_input_required_result_capabilities");
    for (capabilities, expected) in
        [(json!({"roots": {}}), vec!["client_roots"]), (json!({"sampling": {}, "elicitation": {}}), vec!["greeting", "user_name"])]
    {
        let question = asked(&client.with(capabilities), "tools/call", call.clone());
        assert_eq!(question["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_handler_that_never_stops_asking_is_given_up_in_a_session() {
    let (host, client) = started(plugins().limits(|limits| limits.rounds_max = 3));
    let session = Session::open(&host, &json!({"elicitation": {}}));
    let mut events = session.begin("tools/call", &tool("ask_forever"));
    for _ in 0..3 {
        let question = events.message();
        assert_eq!(question["method"], "elicitation/create", "{question}");
        session.answer(&question, &accepted(json!({"name": "Ada"})));
    }
    let end = events.message();
    assert_eq!((&end["id"], &end["error"]["code"]), (&json!(1), &json!(1005)), "{end}");
    assert_eq!(end["error"]["message"], "the call asked for input more than 3 times");
    assert_eq!(events.next_message(), None);
    // What asks as often as it may is answered.
    let (two, _) = started(plugins().limits(|limits| limits.rounds_max = 2));
    let session = Session::open(&two, &json!({"elicitation": {}}));
    let mut events = session.begin("tools/call", &tool("test_input_required_result_multi_round"));
    for answer in [json!({"name": "Ada"}), json!({"color": "blue"})] {
        session.answer(&events.message(), &accepted(answer));
    }
    assert_eq!(events.message()["result"]["content"][0]["text"], "Ada likes blue");
    // A stateless client goes on for as long as it likes: every round is a request of its own.
    let client = client.with(json!({"elicitation": {}}));
    let call = tool("ask_forever");
    let mut question = asked(&client, "tools/call", call.clone());
    for round in 0..6 {
        let key = format!("question_{round}");
        assert!(question["inputRequests"][&key].is_object(), "{question}");
        question = asked(&client, "tools/call", again(call.clone(), &question, json!({key: accepted(json!({"name": "Ada"}))})));
    }
}

#[test]
fn meta_is_passed_on_in_both_directions_without_what_is_the_protocols() {
    let (host, client) = start();
    let mut call = tool("pass_meta");
    call["_meta"] =
        json!({"example.com/trace": "abc", "progressToken": 7, "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"}});
    let result = client.result("tools/call", call.clone());
    let passed: Value = serde_json::from_str(text(&result)).unwrap();
    assert_eq!(passed, json!({"example.com/trace": "abc"}));
    assert_eq!(result["_meta"]["example.com/mine"], json!({"n": 1}));
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "cofferdam");
    assert_eq!(result["_meta"].as_object().unwrap().len(), 2);
    assert_eq!(text(&client.result("tools/call", tool("pass_meta"))), "none");

    let session = Session::open(&host, &json!({}));
    call["_meta"] = json!({"example.com/trace": "abc"});
    let result = session.send("tools/call", &call).json()["result"].clone();
    assert_eq!(
        (&result["content"][0]["text"], &result["_meta"]),
        (&json!(r#"{"example.com/trace":"abc"}"#), &json!({"example.com/mine": {"n": 1}}))
    );
}
