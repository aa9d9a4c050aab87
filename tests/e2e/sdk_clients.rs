//! The official Rust SDK as a client, in both eras, over HTTP and stdio. Those from npm and PyPI are in `tests/clients`.

use rmcp::ServiceExt as _;
use rmcp::model::{CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, serve_client_with_lifecycle};
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use serde_json::json;
use tests::host::{Plugins, TestHost, binary, guest};

const MANIFEST: &str = "name = \"database\"\n[grants.sql.main]\naccess = \"read\"\n";

fn plugins() -> Plugins {
    Plugins::new().with_manifest("database", &guest("database"), MANIFEST).database("main", include_str!("../../examples/data/shop.sql"))
}

fn info() -> ClientConfig {
    ClientConfig::new(ClientCapabilities::default(), Implementation::new("cofferdam-tests", "1"))
}

async fn exercise(client: &rmcp::service::RunningService<rmcp::RoleClient, ClientConfig>) {
    let tools = client.list_all_tools().await.unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    assert!(names.contains(&"database_schema") && names.contains(&"database_query"), "{names:?}");
    let mut call = CallToolRequestParams::new("database_query");
    call.arguments = json!({"sql": "SELECT count(*) AS n FROM customers"}).as_object().cloned();
    let result = client.call_tool(call).await.unwrap();
    assert_eq!(result.structured_content.unwrap()["rows"], json!([{"n": 500}]));
    let mut call = CallToolRequestParams::new("database_schema");
    call.arguments = json!({"table": "orders"}).as_object().cloned();
    let result = client.call_tool(call).await.unwrap();
    assert!(result.structured_content.unwrap().to_string().contains("ordered_on"));
}

async fn over_http(host: &TestHost, mode: ClientLifecycleMode) {
    let transport = StreamableHttpClientTransport::from_uri(format!("http://{}/mcp", host.address));
    let client = serve_client_with_lifecycle(info(), transport, mode).await.unwrap();
    exercise(&client).await;
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn rmcp_over_http_in_both_eras() {
    let host = plugins().start();
    over_http(&host, ClientLifecycleMode::Initialize).await;
    over_http(&host, ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }).await;
    over_http(&host, ClientLifecycleMode::Auto { preferred_versions: vec![ProtocolVersion::V_2026_07_28], legacy_version: None }).await;
}

#[tokio::test]
async fn rmcp_over_stdio() {
    let plugins = plugins();
    let mut command = tokio::process::Command::new(binary());
    command.arg("stdio").arg("--config").arg(plugins.write_config());
    let client = info().serve(TokioChildProcess::new(command).unwrap()).await.unwrap();
    exercise(&client).await;
    client.cancel().await.unwrap();
}
