//! Prompts and completion (2026-07-28, prompts, completion).

use super::{Session, error, start};
use serde_json::{Value, json};

fn get(name: &str, arguments: &Value) -> Value {
    json!({"name": name, "arguments": arguments})
}

#[test]
fn p02_prompts_are_listed_with_their_arguments() {
    let (_host, client) = start();
    let listed = client.result("prompts/list", json!({}));
    assert_eq!((&listed["ttlMs"], &listed["cacheScope"]), (&json!(60_000), &json!("public")));
    let names: Vec<_> = listed["prompts"].as_array().unwrap().iter().map(|prompt| prompt["name"].as_str().unwrap()).collect();
    let expected = [
        "test_simple_prompt",
        "test_prompt_with_arguments",
        "test_prompt_with_embedded_resource",
        "test_prompt_with_image",
        "test_input_required_result_prompt",
    ];
    assert_eq!(names, expected);
    let arguments = json!([
        {"name": "arg1", "description": "First test argument", "required": true},
        {"name": "arg2", "description": "Second test argument", "required": true},
    ]);
    assert_eq!(listed["prompts"][1]["arguments"], arguments);
}

#[test]
fn prompts_are_filled_in() {
    let (_host, client) = start();
    let filled = |name: &str, arguments: Value| client.result("prompts/get", get(name, &arguments));
    let simple = client.result("prompts/get", json!({"name": "test_simple_prompt"}));
    assert_eq!(simple["messages"], json!([{"role": "user", "content": {"type": "text", "text": "This is a simple prompt for testing."}}]));
    assert_eq!(simple["resultType"], "complete");
    let with = filled("test_prompt_with_arguments", json!({"arg2": "b\"", "arg1": "a"}));
    assert_eq!(with["messages"][0]["content"]["text"], "Prompt with arguments: arg1='a', arg2='b\"'");
    let embedded = filled("test_prompt_with_embedded_resource", json!({"resourceUri": "test://x"}));
    let resource = json!({"uri": "test://x", "mimeType": "text/plain", "text": "Embedded resource content for testing."});
    assert_eq!(embedded["messages"][0]["content"], json!({"type": "resource", "resource": resource}));
    assert_eq!(embedded["messages"].as_array().unwrap().len(), 2);
    let image = &filled("test_prompt_with_image", json!({}))["messages"][0];
    assert_eq!(
        (&image["role"], &image["content"]["type"], &image["content"]["mimeType"]),
        (&json!("user"), &json!("image"), &json!("image/png"))
    );
    assert!(image["content"]["data"].as_str().unwrap().starts_with("iVBOR"), "{image}");
}

#[test]
fn prompts_that_are_asked_for_wrongly() {
    let (host, client) = start();
    let session = Session::open(&host, &json!({}));
    let two = "test_prompt_with_arguments";
    for (params, message) in [
        (get(two, &json!({"arg1": "a"})), "the argument \"arg2\" is missing"),
        (get(two, &json!({})), "the argument \"arg1\" is missing"),
        (json!({"name": two}), "the argument \"arg1\" is missing"),
        (get(two, &json!({"arg1": "a", "arg2": "b", "arg3": "c"})), "the prompt has no argument \"arg3\""),
        (get(two, &json!({"arg1": "a", "arg2": 2})), "`arguments` has to be an object whose values are texts"),
        (get(two, &json!(["a", "b"])), "`arguments` has to be an object whose values are texts"),
        (get("test_simple_prompt", &json!({"arg1": "a"})), "the prompt has no argument \"arg1\""),
        (get("nowhere", &json!({})), "Unknown prompt: nowhere"),
        (get("test_simple_text", &json!({})), "Unknown prompt: test_simple_text"),
        (json!({}), "`name` is missing"),
    ] {
        for answer in [client.send("prompts/get", params.clone()), session.send("prompts/get", &params)] {
            assert_eq!(error(&answer), (200, -32602, Value::Null), "{params}");
            assert_eq!(answer.json()["error"]["message"], message, "{params}");
        }
    }
    let mismatch = client.text(&json!(1), "prompts/get", get("test_simple_prompt", &json!({})));
    let mismatch = mismatch.replace("Mcp-Name: test_simple_prompt", "Mcp-Name: test_prompt_with_image");
    assert_eq!(error(&client.send_text(&mismatch)), (400, -32020, Value::Null));
}

fn complete(reference: &Value, argument: &str, typed: &str, others: &Value) -> Value {
    json!({"ref": reference, "argument": {"name": argument, "value": typed}, "context": {"arguments": others}})
}

#[test]
fn arguments_are_completed() {
    let (_host, client) = start();
    let prompt = |name: &str| json!({"type": "ref/prompt", "name": name});
    let resource = |uri: &str| json!({"type": "ref/resource", "uri": uri});
    let two = prompt("test_prompt_with_arguments");
    let template = resource("test://template/{id}/data");
    let none = json!({"hasMore": false, "values": []});
    for (params, expected) in [
        (complete(&two, "arg1", "par", &json!({})), json!({"hasMore": false, "total": 3, "values": ["paris", "park", "party"]})),
        (complete(&two, "arg1", "part", &json!({})), json!({"hasMore": false, "total": 3, "values": ["party"]})),
        (complete(&two, "arg2", "x", &json!({"arg1": "y"})), json!({"hasMore": false, "values": ["y-x"]})),
        (complete(&template, "id", "12", &json!({})), json!({"hasMore": false, "values": ["12", "123"]})),
        // There is nothing to be said about these; a client may ask all the same.
        (complete(&two, "arg3", "x", &json!({})), none.clone()),
        (complete(&prompt("test_simple_prompt"), "x", "", &json!({})), none.clone()),
        (complete(&resource("test://static-text"), "x", "", &json!({})), none.clone()),
        (complete(&resource("test://template/7/data"), "id", "", &json!({})), none),
    ] {
        assert_eq!(client.result("completion/complete", params.clone())["completion"], expected, "{params}");
    }
    let many = client.result("completion/complete", complete(&resource("curious://many/{id}"), "id", "n", &json!({})));
    let values = many["completion"]["values"].as_array().unwrap();
    assert_eq!((values.len(), &values[99], &many["completion"]["hasMore"]), (100, &json!("n99"), &json!(true)));
    assert!(many["completion"].get("total").is_none_or(|total| *total == 150), "{many}");
}

#[test]
fn completion_that_is_asked_for_wrongly() {
    let (host, client) = start();
    let unknown = json!({"type": "ref/resource", "uri": "test://nowhere"});
    let unknown = complete(&unknown, "id", "", &json!({}));
    assert_eq!(error(&client.send("completion/complete", unknown.clone())), (200, -32602, json!({"uri": "test://nowhere"})));
    let session = Session::open(&host, &json!({}));
    assert_eq!(session.send("completion/complete", &unknown).json()["error"]["data"], json!({"uri": "test://nowhere"}));
    let good = json!({"type": "ref/prompt", "name": "test_prompt_with_arguments"});
    for params in [
        complete(&json!({"type": "ref/prompt", "name": "nowhere"}), "arg1", "", &json!({})),
        complete(&json!({"type": "ref/tool", "name": "greet"}), "name", "", &json!({})),
        complete(&json!(["ref/prompt", "test_prompt_with_arguments"]), "arg1", "", &json!({})),
        complete(&good, "arg2", "", &json!({"arg1": 1})),
        complete(&good, "arg2", "", &json!("arg1")),
        json!({"ref": good}),
        json!({"ref": good, "argument": {"name": "arg1"}}),
        json!({"ref": good, "argument": ["arg1", "p"]}),
        json!({"ref": good, "argument": {"name": "arg1", "value": 1}}),
        json!({"argument": {"name": "arg1", "value": ""}}),
        json!({}),
    ] {
        assert_eq!(error(&client.send("completion/complete", params.clone())), (200, -32602, Value::Null), "{params}");
    }
}
