//! Lists in pages (2026-07-28, pagination).

use super::{Session, error, plugins, started};
use serde_json::{Value, json};
use std::collections::HashSet;

/// Methods with the member that they list, what tells its items apart, and the size of pages that makes several of them.
const LISTS: [(&str, &str, &str, usize); 4] = [
    ("tools/list", "tools", "name", 5),
    ("prompts/list", "prompts", "name", 2),
    ("resources/list", "resources", "uri", 2),
    ("resources/templates/list", "resourceTemplates", "uriTemplate", 1),
];

/// Every page, and the cursors between them.
fn walk(list: impl Fn(Value) -> Value, member: &str) -> (Vec<Vec<Value>>, Vec<String>) {
    let (mut pages, mut cursors) = (Vec::new(), Vec::new());
    let mut params = json!({});
    loop {
        let result = list(params);
        pages.push(result[member].as_array().unwrap_or_else(|| panic!("{result}")).clone());
        let Some(next) = result.get("nextCursor") else { return (pages, cursors) };
        params = json!({"cursor": next});
        cursors.push(next.as_str().expect("a text").to_owned());
        assert!(pages.len() < 1_000, "a list without an end");
    }
}

#[test]
fn p02_every_item_is_on_one_page_in_the_same_order_every_time() {
    let (whole_host, whole) = started(plugins());
    let whole_session = Session::open(&whole_host, &json!({}));
    for (method, member, key, size) in LISTS {
        let (host, client) = started(plugins().limits(|limits| limits.list_page_max = size));
        let session = Session::open(&host, &json!({}));
        let modern = walk(|params| client.result(method, params), member);
        let legacy = walk(|params| session.send(method, &params).json()["result"].clone(), member);
        for ((pages, cursors), whole) in
            [(&modern, whole.result(method, json!({}))), (&legacy, whole_session.send(method, &json!({})).json()["result"].clone())]
        {
            assert!(pages.len() > 1 && cursors.len() == pages.len() - 1, "{method}: {cursors:?}");
            assert!(pages.iter().all(|page| !page.is_empty() && page.len() <= size), "{method}");
            let items: Vec<_> = pages.iter().flatten().cloned().collect();
            let keys: HashSet<_> = items.iter().map(|item| item[key].as_str().expect("a key")).collect();
            assert_eq!(keys.len(), items.len(), "{method}: something twice");
            assert_eq!(Value::Array(items), whole[member], "{method}");
            assert!(whole.get("nextCursor").is_none(), "{whole}");
        }
        // The same again, and from another host.
        assert_eq!(walk(|params| client.result(method, params), member), modern);
        let (_other, other) = started(plugins().limits(|limits| limits.list_page_max = size));
        assert_eq!(walk(|params| other.result(method, params), member), modern);
    }
}

#[test]
fn a_cursor_of_something_else_is_refused() {
    let (host, client) = started(plugins().limits(|limits| limits.list_page_max = 1));
    let session = Session::open(&host, &json!({}));
    let cursor = |list: &str| client.result(list, json!({}))["nextCursor"].as_str().unwrap().to_owned();
    let own: Vec<_> = LISTS.iter().map(|(method, ..)| cursor(method)).collect();
    let old = session.send("tools/list", &json!({})).json()["result"]["nextCursor"].as_str().unwrap().to_owned();
    for (at, (method, ..)) in LISTS.iter().enumerate() {
        let others = own.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, cursor)| json!(cursor));
        let odd = [json!(""), json!("AAAAAAAAAAAAAAAAAAAA"), json!("1"), json!("../.."), json!(format!("{} ", own[at])), json!("\u{0}")];
        for cursor in others.chain(odd) {
            let params = json!({"cursor": cursor});
            assert_eq!(error(&client.send(method, params.clone())), (200, -32602, Value::Null), "{method} {cursor}");
            assert_eq!(session.send(method, &params).code(), -32602, "{method} {cursor}");
        }
        assert_eq!(client.send(method, json!({"cursor": 5})).code(), -32602);
        assert_eq!(client.send(method, json!({"cursor": own[at]})).code(), 0);
    }
    assert_eq!(session.send("tools/list", &json!({"cursor": old})).code(), 0);
}

#[test]
fn a_cursor_of_pages_that_are_cut_elsewhere_is_refused() {
    // As after a reload: what was a place between two pages is one no more.
    let (_fine, fine) = started(plugins().limits(|limits| limits.list_page_max = 3));
    let (_coarse, coarse) = started(plugins().limits(|limits| limits.list_page_max = 7));
    let cursor = fine.result("tools/list", json!({}))["nextCursor"].clone();
    assert_eq!(error(&coarse.send("tools/list", json!({"cursor": cursor}))), (200, -32602, Value::Null));
}
