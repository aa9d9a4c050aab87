//! Has topics that others publish to by webhooks, and nothing to say about what they send.

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package test:hooked;
        world hooked { export cofferdam:mcp/catalog@0.1.0; }
    ",
    world: "test:hooked/hooked",
    generate_all,
});

use exports::cofferdam::mcp::catalog::{Catalog, Guest, Overflow, Topic};

struct Hooked;

fn topic(name: &str, event_schema: Option<&str>) -> Topic {
    Topic {
        name: name.to_owned(),
        title: None,
        description: None,
        event_schema: event_schema.map(str::to_owned),
        retained: 10,
        overflow: Overflow::DropOldest,
        feed: false,
    }
}

impl Guest for Hooked {
    fn describe() -> Catalog {
        let service = r#"{"type":"object","properties":{"service":{"type":"string"}},"required":["service"]}"#;
        Catalog {
            title: None,
            instructions: None,
            queries: Vec::new(),
            updates: Vec::new(),
            topics: vec![topic("pushes", None), topic("payments", None), topic("deploys/{service}", Some(service)), topic("quiet", None)],
            prompts: Vec::new(),
            resources: Vec::new(),
            resource_templates: Vec::new(),
        }
    }
}

export!(Hooked);
