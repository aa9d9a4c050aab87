//! Makes events of what comes by its webhook. The body says what becomes of it.

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package test:shaper;
        world shaper { export cofferdam:mcp/catalog@0.1.0; export cofferdam:mcp/webhook@0.1.0; }
    ",
    world: "test:shaper/shaper",
    generate_all,
});

use cofferdam::mcp::types::{Context, Event, Failure};
use exports::cofferdam::mcp::catalog::{self, Catalog, Overflow, Topic};
use exports::cofferdam::mcp::webhook::{self, Header};

struct Shaper;

impl catalog::Guest for Shaper {
    fn describe() -> Catalog {
        let lines = Topic {
            name: "lines".to_owned(),
            title: None,
            description: None,
            event_schema: Some(r#"{"type":"object","properties":{"line":{"type":"string"}},"required":["line"]}"#.to_owned()),
            retained: 10,
            overflow: Overflow::DropOldest,
            feed: false,
        };
        Catalog {
            title: None,
            instructions: None,
            queries: Vec::new(),
            updates: Vec::new(),
            topics: vec![lines],
            prompts: Vec::new(),
            resources: Vec::new(),
            resource_templates: Vec::new(),
        }
    }
}

fn event(data: String) -> Event {
    Event { data, source: Some("shaper".to_owned()), severity: None, kind: Some("line".to_owned()) }
}

fn line(text: &str) -> Event {
    event(format!("{{\"line\":\"{text}\"}}"))
}

impl webhook::Guest for Shaper {
    fn transform(context: Context, topic: String, headers: Vec<Header>, body: Vec<u8>) -> Result<Vec<Event>, Failure> {
        let text = String::from_utf8_lossy(&body).into_owned();
        let (word, rest) = text.split_once(':').unwrap_or((&text, ""));
        match word {
            "lines" => Ok(rest.split(',').map(line).collect()),
            "nothing" => Ok(Vec::new()),
            "refuse" => Err(Failure::Invalid("no such line".to_owned())),
            "unavailable" => Err(Failure::Unavailable("in a moment".to_owned())),
            "bad" => Ok(vec![event("no JSON".to_owned())]),
            "misfit" => Ok(vec![event("{\"line\":7}".to_owned())]),
            "many" => Ok((0..257).map(|_| line("x")).collect()),
            "show" => {
                let headers: Vec<String> = headers.iter().map(|header| format!("{}={}", header.name, header.value)).collect();
                let caller = format!("{}/{}/{}", context.caller.tenant, context.caller.subject, context.caller.scopes.len());
                Err(Failure::Invalid(format!("{topic} {caller} {}", headers.join(" "))))
            }
            _ => panic!("what is that?"),
        }
    }
}

export!(Shaper);
