//! Answers several queries at once. The first of them says which upstream is asked before, so that a test decides how long it takes.

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package test:choir;
        world choir {
            import cofferdam:mcp/http@0.1.0;
            export cofferdam:mcp/catalog@0.1.0;
            export cofferdam:mcp/query@0.1.0;
            export cofferdam:mcp/query-batch@0.1.0;
        }
    ",
    world: "test:choir/choir",
    generate_all,
});

use cofferdam::mcp::http::{Request, fetch};
use cofferdam::mcp::types::{Content, Context, Failure, Outcome, Reply, TextContent};
use exports::cofferdam::mcp::catalog::{self, Catalog, Operation, TaskSupport};
use exports::cofferdam::mcp::{query, query_batch};

struct Choir;

impl catalog::Guest for Choir {
    fn describe() -> Catalog {
        let operation = Operation {
            name: "sing".to_owned(),
            title: None,
            description: None,
            input_schema: r#"{"type":"object"}"#.to_owned(),
            output_schema: None,
            hints: None,
            publishes: Vec::new(),
            task: TaskSupport::Never,
            cache: None,
            icons: Vec::new(),
            meta: None,
        };
        Catalog {
            title: None,
            instructions: None,
            queries: vec![operation],
            updates: Vec::new(),
            topics: Vec::new(),
            prompts: Vec::new(),
            resources: Vec::new(),
            resource_templates: Vec::new(),
        }
    }
}

fn member<'a>(arguments: &'a str, name: &str) -> Option<&'a str> {
    let rest = arguments.split(&format!("\"{name}\":\"")).nth(1)?;
    rest.split('"').next()
}

fn wait(url: &str, alone: bool) -> Result<(), Failure> {
    let url = format!("{url}?{}", if alone { "alone" } else { "together" });
    let request = Request { method: "GET".to_owned(), url, headers: Vec::new(), body: None, timeout_ms: None };
    let response = fetch(&request).map_err(|error| Failure::Other(format!("{error:?}")))?;
    if response.status == 200 { Ok(()) } else { Err(Failure::Unavailable("the upstream is not there".to_owned())) }
}

fn reply(text: String) -> Reply {
    let content = vec![Content::Text(TextContent { text, annotations: None, meta: None })];
    Reply { content, structured: None, is_error: false, meta: None }
}

impl query::Guest for Choir {
    fn handle(_context: Context, _name: String, parameters: String) -> Result<Outcome, Failure> {
        if let Some(url) = member(&parameters, "url") {
            wait(url, true)?;
        }
        Ok(Outcome::Complete(reply(format!("{} alone", member(&parameters, "voice").unwrap_or_default()))))
    }
}

impl query_batch::Guest for Choir {
    fn handle(_context: Context, _name: String, parameters: Vec<String>) -> Result<Vec<Result<Reply, Failure>>, Failure> {
        if let Some(url) = parameters.iter().find_map(|parameters| member(parameters, "url")) {
            wait(url, false)?;
        }
        let count = parameters.len();
        let one = |parameters: &String| match member(parameters, "voice").unwrap_or_default() {
            "hoarse" => Err(Failure::Other("it cannot sing".to_owned())),
            voice => Ok(reply(format!("{voice} of {count}"))),
        };
        let mut sung: Vec<_> = parameters.iter().map(one).collect();
        if parameters.iter().any(|parameters| parameters.contains("\"too-few\"")) {
            sung.pop();
        }
        Ok(sung)
    }
}

export!(Choir);
