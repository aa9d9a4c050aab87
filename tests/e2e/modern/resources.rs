//! Resources (2026-07-28, resources; caching).

use super::{Session, error, start};
use base64::Engine as _;
use serde_json::{Value, json};

fn by<'a>(list: &'a Value, member: &str, value: &str) -> &'a Value {
    let found = list.as_array().and_then(|list| list.iter().find(|item| item[member] == value));
    found.unwrap_or_else(|| panic!("no {value} in {list}"))
}

#[test]
fn p02_resources_are_listed_with_everything_that_is_known_of_them() {
    let (_host, client) = start();
    let listed = client.result("resources/list", json!({}));
    assert_eq!((&listed["resultType"], &listed["ttlMs"], &listed["cacheScope"]), (&json!("complete"), &json!(60_000), &json!("public")));
    assert_eq!(listed["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "cofferdam");
    let expected = json!({
        "uri": "test://static-text", "name": "static_text", "title": "Static text", "description": "A text that never changes",
        "mimeType": "text/plain", "size": 48, "annotations": {"audience": ["user", "assistant"], "priority": 0.5},
    });
    assert_eq!(*by(&listed["resources"], "uri", "test://static-text"), expected);
    let app = by(&listed["resources"], "uri", "ui://conformance/app.html");
    assert_eq!(app["mimeType"], "text/html;profile=mcp-app");
    assert_eq!(app["_meta"], json!({"ui": {"prefersBorder": true, "csp": {"connectDomains": [], "resourceDomains": []}}}));
    let bare = by(&listed["resources"], "uri", "curious://own");
    assert!(["size", "annotations", "_meta", "title", "icons"].iter().all(|member| bare.get(member).is_none()), "{bare}");

    let listed = client.result("resources/templates/list", json!({}));
    let template = by(&listed["resourceTemplates"], "uriTemplate", "test://template/{id}/data");
    assert_eq!((&template["mimeType"], &template["description"]), (&json!("application/json"), &json!("The data of an id")));
    assert_eq!((&listed["ttlMs"], &listed["cacheScope"]), (&json!(60_000), &json!("public")));
}

#[test]
fn resources_are_read_as_text_as_bytes_and_by_template() {
    let (_host, client) = start();
    let read = |uri: &str| client.result("resources/read", json!({"uri": uri}));
    let text = read("test://static-text");
    let expected =
        json!([{"uri": "test://static-text", "mimeType": "text/plain", "text": "This is the content of the static text resource."}]);
    assert_eq!(text["contents"], expected);
    assert_eq!(text["resultType"], "complete");
    assert_eq!(text["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "cofferdam");

    let blob = &read("test://static-binary")["contents"][0];
    let bytes = base64::engine::general_purpose::STANDARD.decode(blob["blob"].as_str().unwrap()).unwrap();
    assert!(bytes.starts_with(b"\x89PNG") && blob.get("text").is_none() && blob["mimeType"] == "image/png", "{blob}");

    let data = &read("test://template/7%20up/data")["contents"][0];
    assert_eq!((&data["uri"], &data["mimeType"]), (&json!("test://template/7%20up/data"), &json!("application/json")));
    let data: Value = serde_json::from_str(data["text"].as_str().unwrap()).unwrap();
    assert_eq!((&data["templateTest"], &data["id"]), (&json!(true), &json!("7 up")));

    let app = &read("ui://conformance/app.html")["contents"][0];
    assert_eq!((&app["mimeType"], &app["_meta"]), (&json!("text/html;profile=mcp-app"), &json!({"ui": {"prefersBorder": true}})));
}

#[test]
fn p02_ttl_and_scope_are_the_plugins_and_otherwise_none() {
    let (_host, client) = start();
    for (uri, ttl_ms, scope) in
        [("test://static-text", 60_000, "public"), ("test://watched-resource", 0, "private"), ("curious://own", 0, "private")]
    {
        let read = client.result("resources/read", json!({"uri": uri}));
        assert_eq!((&read["ttlMs"], &read["cacheScope"]), (&json!(ttl_ms), &json!(scope)), "{uri}");
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    let (host, client) = start();
    let session = Session::open(&host, &json!({}));
    for uri in ["test://nowhere", "test://template//data", "curious://gone", "file:///etc/passwd", "", "../x", "test://static-text/"] {
        let expected = json!({"uri": uri});
        assert_eq!(error(&client.send("resources/read", json!({"uri": uri}))), (200, -32602, expected.clone()), "{uri}");
        assert_eq!(error(&session.send("resources/read", &json!({"uri": uri}))), (200, -32002, expected), "{uri}");
    }
    let broken = client.send("resources/read", json!({"uri": "curious://broken"}));
    assert_eq!((broken.status, broken.code()), (200, 1005));
    assert_eq!(broken.json()["error"]["message"], "the disk is on fire");
    for params in [json!({}), json!({"uri": 5}), json!({"uri": null})] {
        let answer = client.send("resources/read", params.clone());
        assert_eq!(answer.code(), -32602, "{params}: {answer:?}");
    }
}

#[test]
fn c35_mcp_name_has_to_be_the_uri() {
    let (_host, client) = start();
    let good = client.text(&json!(1), "resources/read", json!({"uri": "test://static-text"}));
    let name = "Mcp-Name: test://static-text\r\n";
    for (header, expected) in [
        (name, 0),
        ("Mcp-Name: =?base64?dGVzdDovL3N0YXRpYy10ZXh0?=\r\n", 0),
        ("mcp-name:  test://static-text \r\n", 0),
        ("Mcp-Name: test://static-binary\r\n", -32020),
        ("Mcp-Name: TEST://static-text\r\n", -32020),
        ("Mcp-Name: =?base64?dGVzdDovL3N0YXRpYy10ZXh0=?=\r\n", -32020),
        ("Mcp-Name: test://static-text\r\nMcp-Name: test://static-text\r\n", -32020),
        ("Mcp-Name: \r\n", -32020),
        ("", -32020),
    ] {
        let answer = client.send_text(&good.replace(name, header));
        assert_eq!((answer.status, answer.code()), (if expected == 0 { 200 } else { 400 }, expected), "{header:?}");
    }
}
