//! The servers to compare with. Each does the same work as Cofferdam's echo, natively and as fast as its library goes.

use std::borrow::Cow;
use std::convert::Infallible;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, JsonObject, ListToolsResult, PaginatedRequestParams,
    ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer, ServiceExt};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::net::TcpListener;

/// Somebody else's server.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Peer {
    /// hyper alone with typed JSON: what the HTTP library costs.
    Hyper,
    /// The official Rust SDK over streamable HTTP, without sessions, answering in plain JSON.
    RmcpHttp,
    /// The official Rust SDK over stdio, with its fast non-blocking pipes.
    RmcpStdio,
    /// The same with what its documentation starts with: every read and write goes through another thread.
    RmcpStdioBlocking,
}

pub(crate) fn serve(peer: Peer, port: u16) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match peer {
            Peer::Hyper => {
                leave_with_the_driver();
                accept(port, service_fn(typed_echo)).await
            }
            Peer::RmcpHttp => {
                leave_with_the_driver();
                let server = rmcp_http();
                accept(
                    port,
                    service_fn(move |request| {
                        let server = server.clone();
                        async move { Ok::<_, Infallible>(server.handle(request).await) }
                    }),
                )
                .await
            }
            Peer::RmcpStdio => {
                Echo::new().serve(rmcp::transport::stdio_pipes()).await?.waiting().await?;
                Ok(())
            }
            Peer::RmcpStdioBlocking => {
                Echo::new().serve(rmcp::transport::stdio()).await?.waiting().await?;
                Ok(())
            }
        }
    })
}

/// Ends this process when its driver is gone, however that went: its end of our stdin closes.
fn leave_with_the_driver() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
}

async fn accept<S>(port: u16, service: S) -> anyhow::Result<()>
where
    S: HttpService<Incoming, Error: std::error::Error + Send + Sync, Future: Send> + Clone + Send + 'static,
    S::ResBody: hyper::body::Body<Data: Send, Error: std::error::Error + Send + Sync> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
        // A client that goes away in the middle is the end of a round, not an error.
        tokio::spawn(async move { drop(connection.await) });
    }
}

// --- bare hyper ----------------------------------------------------------------------------------------------------

async fn typed_echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let (status, answer) = match answer(&body) {
        Ok(answer) => (StatusCode::OK, answer),
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string().into_bytes()),
    };
    let mut response = Response::new(Full::new(Bytes::from(answer)));
    *response.status_mut() = status;
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    Ok(response)
}

fn answer(body: &[u8]) -> serde_json::Result<Vec<u8>> {
    let message: Message = serde_json::from_slice(body)?;
    if message.jsonrpc != "2.0" || message.method != "tools/call" || !message.params.name.ends_with("_echo") {
        return Err(serde::de::Error::custom("not a call of the echo tool"));
    }
    let arguments: Arguments = serde_json::from_str(message.params.arguments.get())?;
    serde_json::to_vec(&Answer {
        jsonrpc: "2.0",
        id: message.id,
        result: Outcome {
            result_type: "complete",
            content: [Block { kind: "text", text: &arguments.text }],
            meta: ResultMeta { server_info: ServerInfo { name: "hyper", version: "1" } },
        },
    })
}

#[derive(Deserialize)]
struct Message<'a> {
    jsonrpc: &'a str,
    id: &'a RawValue,
    method: &'a str,
    #[serde(borrow)]
    params: Params<'a>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    arguments: &'a RawValue,
}

#[derive(Deserialize)]
struct Arguments<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

#[derive(Serialize)]
struct Answer<'a> {
    jsonrpc: &'a str,
    id: &'a RawValue,
    result: Outcome<'a>,
}

#[derive(Serialize)]
struct Outcome<'a> {
    #[serde(rename = "resultType")]
    result_type: &'a str,
    content: [Block<'a>; 1],
    #[serde(rename = "_meta")]
    meta: ResultMeta<'a>,
}

#[derive(Serialize)]
struct Block<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
struct ResultMeta<'a> {
    #[serde(rename = "io.modelcontextprotocol/serverInfo")]
    server_info: ServerInfo<'a>,
}

#[derive(Serialize)]
struct ServerInfo<'a> {
    name: &'a str,
    version: &'a str,
}

// --- rmcp ----------------------------------------------------------------------------------------------------------

/// Written against rmcp's trait, without its macros and router: they only add to the cost.
#[derive(Clone)]
struct Echo {
    schema: Arc<JsonObject>,
}

impl Echo {
    fn new() -> Self {
        let schema = serde_json::json!({"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]});
        Self { schema: Arc::new(schema.as_object().expect("it is an object").clone()) }
    }

    fn tool(&self, name: &str) -> Tool {
        Tool::new(name.to_owned(), "Says the text again.", Arc::clone(&self.schema))
    }
}

impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        name.ends_with("_echo").then(|| self.tool(name))
    }

    async fn list_tools(&self, _: Option<PaginatedRequestParams>, _: RequestContext<RoleServer>) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(vec![self.tool("native_echo")]))
    }

    async fn call_tool(&self, request: CallToolRequestParams, _: RequestContext<RoleServer>) -> Result<CallToolResponse, ErrorData> {
        if !request.name.ends_with("_echo") {
            return Err(ErrorData::invalid_params(format!("Unknown tool: {}", request.name), None));
        }
        let text = request.arguments.and_then(|mut arguments| match arguments.remove("text") {
            Some(serde_json::Value::String(text)) => Some(text),
            _ => None,
        });
        let text = text.ok_or_else(|| ErrorData::invalid_params("text is missing", None))?;
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }
}

fn rmcp_http() -> StreamableHttpService<Echo, NeverSessionManager> {
    let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
    let echo = Echo::new();
    StreamableHttpService::new(move || Ok(echo.clone()), Arc::new(NeverSessionManager::default()), config)
}
