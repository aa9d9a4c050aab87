//! The official Rust SDK as a client, in both eras, over HTTP and stdio. Those from npm and PyPI are in `tests/clients`.

#![allow(deprecated, reason = "what 2026-07-28 deprecates or has no more is still there in older revisions")]

use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams,
    ElicitResult, ElicitationAction, GetPromptRequestParams, Implementation, ListRootsResult, LoggingLevel,
    LoggingMessageNotificationParam, ProgressNotificationParam, ProtocolVersion, ReadResourceRequestParams, RequestMetaObject,
    ResourceContents, ResourceUpdatedNotificationParam, Root, SamplingMessage, ServerNotification, SetLevelRequestParams,
    SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams,
};
use rmcp::service::{ClientLifecycleMode, NotificationContext, RequestContext, RunningService, serve_client_with_lifecycle};
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientHandler, ErrorData, RoleClient};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::host::{Plugins, TestHost, binary, guest};

const DATABASE: &str = "name = \"database\"\n[grants.sql.main]\naccess = \"read\"\n";
/// As it is built into the plugins folder of a host: what the plugin may do is in its own manifest.
const FIXTURES: &str = include_str!("../guests/conformance/plugin.toml");

fn plugins() -> Plugins {
    Plugins::new()
        .with_manifest("database", &guest("database"), DATABASE)
        .database("main", include_str!("../../examples/data/shop.sql"))
        .with_manifest("conformance", &guest("conformance"), FIXTURES)
}

fn modern() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
}

/// What is on the client's side: a user, a model and a folder to answer with, and a list of what the server told.
#[derive(Clone, Default)]
struct Answers {
    told: Arc<Mutex<Vec<String>>>,
    more: Arc<tokio::sync::Notify>,
}

impl Answers {
    fn hear(&self, what: impl Into<String>) {
        self.told.lock().unwrap().push(what.into());
        self.more.notify_waiters();
    }

    fn heard(&self, what: &str) -> usize {
        self.told.lock().unwrap().iter().filter(|told| *told == what).count()
    }
}

impl ClientHandler for Answers {
    fn get_info(&self) -> ClientConfig {
        let capabilities = ClientCapabilities::builder().enable_elicitation().enable_sampling().enable_roots().build();
        ClientConfig::new(capabilities, Implementation::new("cofferdam-tests", "1"))
    }

    async fn create_elicitation(&self, request: ElicitRequestParams, _: RequestContext<RoleClient>) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { requested_schema, .. } = request else { panic!("a URL was to be opened") };
        let all =
            json!({"username": "ada", "email": "ada@example.com", "name": "Ada", "color": "blue", "ok": true, "context": "the harbour"});
        let schema = serde_json::to_value(requested_schema).unwrap();
        let asked = schema["properties"].as_object().unwrap().keys();
        let content: serde_json::Map<_, _> = asked.map(|name| (name.clone(), all[name].clone())).collect();
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content.into()))
    }

    async fn create_message(
        &self,
        params: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        assert_eq!(params.max_tokens, 100);
        Ok(CreateMessageResult::new(SamplingMessage::assistant_text("Paris"), "none".into()))
    }

    async fn list_roots(&self, _: RequestContext<RoleClient>) -> Result<ListRootsResult, ErrorData> {
        Ok(ListRootsResult::new(vec![Root::new("file:///workspace")]))
    }

    async fn on_progress(&self, params: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.hear(format!("progress {} of {:?}", params.progress, params.total));
    }

    async fn on_logging_message(&self, params: LoggingMessageNotificationParam, _: NotificationContext<RoleClient>) {
        self.hear(format!("log {:?}", params.level));
    }

    async fn on_resource_updated(&self, params: ResourceUpdatedNotificationParam, _: NotificationContext<RoleClient>) {
        self.hear(params.uri);
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.hear("tools");
    }

    async fn on_prompt_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.hear("prompts");
    }
}

type Connected = RunningService<RoleClient, Answers>;

const WATCHED: &str = "test://watched-resource";
/// The tools that make changes, and what is heard of them.
const CHANGES: [(&str, &str); 3] =
    [("test_trigger_tool_change", "tools"), ("test_trigger_prompt_change", "prompts"), ("test_update_watched_resource", WATCHED)];

/// Calls a tool, and gives back the text that it answers with.
async fn text(client: &Connected, tool: &'static str, arguments: Value) -> String {
    let mut call = CallToolRequestParams::new(tool);
    call.arguments = arguments.as_object().cloned();
    let result = client.call_tool(call).await.unwrap();
    assert_ne!(result.is_error, Some(true), "{tool}: {result:?}");
    result.content[0].as_text().unwrap().text.clone()
}

async fn use_fixtures(client: &Connected, legacy: bool) {
    use_tools(client).await;
    use_resources(client).await;
    use_prompts(client).await;
    be_asked(client, legacy).await;
    hear_logs(client, legacy).await;
    if legacy { hear_changes(client).await } else { listen_to_changes(client).await }
}

async fn use_tools(client: &Connected) {
    let tools = client.list_all_tools().await.unwrap();
    assert!(tools.iter().any(|tool| tool.name == "test_simple_text"), "{tools:?}");
    assert_eq!(text(client, "test_simple_text", json!({})).await, "This is a simple text response for testing.");
    let image = client.call_tool(CallToolRequestParams::new("test_image_content")).await.unwrap();
    assert_eq!(image.content[0].as_image().unwrap().mime_type, "image/png");
    let failed = client.call_tool(CallToolRequestParams::new("test_error_handling")).await.unwrap();
    assert_eq!(failed.is_error, Some(true));
    client.call_tool(CallToolRequestParams::new("no_such_tool")).await.unwrap_err();
    text(client, "test_tool_with_progress", json!({})).await;
    for report in ["progress 0 of Some(100.0)", "progress 50 of Some(100.0)", "progress 100 of Some(100.0)"] {
        eventually(client, report).await;
    }
}

async fn use_resources(client: &Connected) {
    let uris: Vec<_> = client.list_all_resources().await.unwrap().into_iter().map(|resource| resource.uri).collect();
    assert!(uris.iter().any(|uri| uri == WATCHED), "{uris:?}");
    let templates = client.list_all_resource_templates().await.unwrap();
    assert_eq!(templates[0].uri_template, "test://template/{id}/data");
    let text = client.read_resource(ReadResourceRequestParams::new("test://static-text")).await.unwrap();
    assert!(matches!(&text.contents[0], ResourceContents::TextResourceContents { text, .. } if text.contains("static text")), "{text:?}");
    let binary = client.read_resource(ReadResourceRequestParams::new("test://static-binary")).await.unwrap();
    assert!(matches!(&binary.contents[0], ResourceContents::BlobResourceContents { blob, .. } if blob.starts_with("iVBOR")), "{binary:?}");
    let filled = client.read_resource(ReadResourceRequestParams::new("test://template/123/data")).await.unwrap();
    assert!(matches!(&filled.contents[0], ResourceContents::TextResourceContents { text, .. } if text.contains("123")), "{filled:?}");
    client.read_resource(ReadResourceRequestParams::new("test://nothing")).await.unwrap_err();
}

async fn use_prompts(client: &Connected) {
    let prompts = client.list_all_prompts().await.unwrap();
    assert!(prompts.iter().any(|prompt| prompt.name == "test_prompt_with_image"), "{prompts:?}");
    let mut get = GetPromptRequestParams::new("test_prompt_with_arguments");
    get.arguments = json!({"arg1": "hello", "arg2": "world"}).as_object().cloned();
    let filled = client.get_prompt(get).await.unwrap();
    assert!(format!("{filled:?}").contains("arg1='hello', arg2='world'"), "{filled:?}");
    client.complete_prompt_argument("test_prompt_with_arguments", "arg1", "par", None).await.unwrap();
}

/// The answers are the same in both eras; how they are asked for is not.
async fn be_asked(client: &Connected, legacy: bool) {
    if legacy {
        assert!(text(client, "test_elicitation", json!({"message": "Who are you?"})).await.contains("ada@example.com"));
        assert!(text(client, "test_sampling", json!({"prompt": "What is the capital of France?"})).await.contains("Paris"));
        return;
    }
    assert_eq!(text(client, "test_input_required_result_elicitation", json!({})).await, "Hello, Ada!");
    assert!(text(client, "test_input_required_result_sampling", json!({})).await.contains("Paris"));
    assert!(text(client, "test_input_required_result_list_roots", json!({})).await.contains("file:///workspace"));
    assert!(text(client, "test_input_required_result_request_state", json!({})).await.contains("state-ok"));
    text(client, "test_input_required_result_multi_round", json!({})).await;
    let asked = client.get_prompt(GetPromptRequestParams::new("test_input_required_result_prompt")).await.unwrap();
    assert!(format!("{asked:?}").contains("the harbour"), "{asked:?}");
}

async fn hear_logs(client: &Connected, legacy: bool) {
    let mut call = CallToolRequestParams::new("test_tool_with_logging");
    if legacy {
        client.set_level(SetLevelRequestParams::new(LoggingLevel::Debug)).await.unwrap();
    } else {
        let mut meta = RequestMetaObject::new();
        meta.set_log_level(LoggingLevel::Debug);
        call.meta = Some(meta);
    }
    client.call_tool(call).await.unwrap();
    eventually(client, "log Info").await;
}

async fn hear_changes(client: &Connected) {
    client.subscribe(SubscribeRequestParams::new(WATCHED)).await.unwrap();
    for (tool, what) in CHANGES {
        text(client, tool, json!({})).await;
        eventually(client, what).await;
    }
    client.unsubscribe(UnsubscribeRequestParams::new(WATCHED)).await.unwrap();
}

async fn listen_to_changes(client: &Connected) {
    let filter = SubscriptionFilter::builder().tools_list_changed().prompts_list_changed().resource_subscriptions([WATCHED]).build();
    let mut subscription = client.listen(filter.clone()).await.unwrap();
    assert_eq!(*subscription.acknowledged(), filter);
    for (tool, what) in CHANGES {
        text(client, tool, json!({})).await;
        let told = tokio::time::timeout(Duration::from_secs(10), subscription.next()).await.expect(what).unwrap().unwrap();
        let expected = match told {
            ServerNotification::ToolListChangedNotification(_) => "tools".to_owned(),
            ServerNotification::PromptListChangedNotification(_) => "prompts".to_owned(),
            ServerNotification::ResourceUpdatedNotification(updated) => updated.params.uri,
            other => panic!("{other:?}"),
        };
        assert_eq!(what, expected);
    }
    subscription.cancel().await.unwrap();
}

/// Notifications are handled beside the calls.
async fn eventually(client: &Connected, what: &str) {
    let user = client.service();
    let heard = async {
        loop {
            let more = user.more.notified();
            if user.heard(what) > 0 {
                return;
            }
            more.await;
        }
    };
    let heard = tokio::time::timeout(Duration::from_secs(10), heard).await;
    assert!(heard.is_ok(), "{what} was not heard of, only {:?}", user.told.lock().unwrap());
}

async fn use_database(client: &Connected) {
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

async fn over_http(host: &TestHost, mode: ClientLifecycleMode, legacy: bool) {
    let transport = StreamableHttpClientTransport::from_uri(format!("http://{}/mcp", host.address));
    let client = serve_client_with_lifecycle(Answers::default(), transport, mode).await.unwrap();
    use_database(&client).await;
    use_fixtures(&client, legacy).await;
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn rmcp_over_http_in_both_eras() {
    let host = plugins().start();
    over_http(&host, ClientLifecycleMode::Initialize, true).await;
    over_http(&host, modern(), false).await;
    let auto = ClientLifecycleMode::Auto { preferred_versions: vec![ProtocolVersion::V_2026_07_28], legacy_version: None };
    over_http(&host, auto, false).await;
}

#[tokio::test]
async fn rmcp_over_stdio_in_both_eras() {
    let plugins = plugins();
    for (mode, legacy) in [(ClientLifecycleMode::Initialize, true), (modern(), false)] {
        let mut command = tokio::process::Command::new(binary());
        command.arg("stdio").arg("--config").arg(plugins.write_config());
        let transport = TokioChildProcess::new(command).unwrap();
        let client = serve_client_with_lifecycle(Answers::default(), transport, mode).await.unwrap();
        use_database(&client).await;
        use_fixtures(&client, legacy).await;
        client.cancel().await.unwrap();
    }
}
