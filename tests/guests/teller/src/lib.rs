//! Tells what an upstream says: a test sees there how often it ran, and decides how long it takes.

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package test:teller;
        world teller {
            import cofferdam:mcp/http@0.1.0;
            export cofferdam:mcp/catalog@0.1.0;
            export cofferdam:mcp/query@0.1.0;
            export cofferdam:mcp/update@0.1.0;
        }
    ",
    world: "test:teller/teller",
    generate_all,
});

use cofferdam::mcp::http::{Request, fetch};
use cofferdam::mcp::types::{CacheHint, Content, Context, Failure, Outcome, Reply, TextContent};
use exports::cofferdam::mcp::catalog::{self, Catalog, Operation, TaskSupport};
use exports::cofferdam::mcp::{query, update};

struct Teller;

fn operation(name: &str, cache: Option<CacheHint>) -> Operation {
    Operation {
        name: name.to_owned(),
        title: None,
        description: None,
        input_schema: r#"{"type":"object","properties":{"url":{"type":"string"}},"required":["url"]}"#.to_owned(),
        output_schema: None,
        hints: None,
        publishes: Vec::new(),
        task: TaskSupport::Never,
        cache,
        icons: Vec::new(),
        meta: None,
    }
}

impl catalog::Guest for Teller {
    fn describe() -> Catalog {
        let hint = |ttl_ms, shared| Some(CacheHint { ttl_ms, shared });
        Catalog {
            title: None,
            instructions: None,
            queries: vec![
                operation("fresh", None),
                operation("kept", hint(60_000, false)),
                operation("shared", hint(60_000, true)),
                operation("brief", hint(1, true)),
                operation("constant", hint(u32::MAX, true)),
            ],
            updates: vec![operation("change", None)],
            topics: Vec::new(),
            prompts: Vec::new(),
            resources: Vec::new(),
            resource_templates: Vec::new(),
        }
    }
}

/// The value of the argument, which a test writes without anything that would have to be escaped.
fn url(arguments: &str) -> String {
    let rest = arguments.split("\"url\":\"").nth(1).unwrap_or_default();
    rest.split('"').next().unwrap_or_default().to_owned()
}

fn tell(arguments: &str) -> Result<Outcome, Failure> {
    let request = Request { method: "GET".to_owned(), url: url(arguments), headers: Vec::new(), body: None, timeout_ms: None };
    let response = fetch(&request).map_err(|error| Failure::Other(format!("{error:?}")))?;
    let text = String::from_utf8_lossy(&response.body).into_owned();
    match response.status {
        200 => {}
        503 => return Err(Failure::Unavailable(text)),
        404 => return Err(Failure::NotFound(text)),
        status => panic!("{status}"),
    }
    Ok(said(text))
}

fn said(text: String) -> Outcome {
    let is_error = text.starts_with("error");
    let content = vec![Content::Text(TextContent { text, annotations: None, meta: None })];
    Outcome::Complete(Reply { content, structured: None, is_error, meta: None })
}

impl query::Guest for Teller {
    fn handle(_context: Context, name: String, parameters: String) -> Result<Outcome, Failure> {
        // For the benchmark, which has no upstream.
        if name == "constant" { Ok(said("always the same".to_owned())) } else { tell(&parameters) }
    }
}

impl update::Guest for Teller {
    fn handle(_context: Context, _target: String, data: String) -> Result<Outcome, Failure> {
        tell(&data)
    }
}

export!(Teller);
