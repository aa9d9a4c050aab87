//! Every limit of the host: its name with its unit, its default, and why it is that number. No literal duration or size stands
//! anywhere else. `cofferdam limits` prints this table; the operator may change the rows that `cofferdam.toml` offers.

use std::time::Duration;

/// One row of the table, for printing.
#[derive(Debug, Clone)]
pub struct Row {
    /// The field's name, which ends in its unit.
    pub name: &'static str,
    /// The value in force.
    pub value: String,
    /// Why it is there, the first line of its documentation.
    pub reason: &'static str,
}

macro_rules! limits {
    ($( $(#[doc = $doc:literal])+ $name:ident : $type:ty = $default:expr; )+) => {
        /// Every limit of the host. Built once at start and never changed.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Limits { $( $(#[doc = $doc])+ pub $name: $type, )+ }

        impl Default for Limits {
            fn default() -> Self { Self { $( $name: $default, )+ } }
        }

        impl Limits {
            /// The rows in the order of this file.
            #[must_use]
            pub fn rows(&self) -> Vec<Row> {
                vec![ $( Row {
                    name: stringify!($name),
                    value: format!("{:?}", self.$name),
                    reason: concat!($($doc),+).trim(),
                }, )+ ]
            }
        }
    };
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

limits! {
    // --- one call -------------------------------------------------------------------------------------------------------------
    /// Linear memory of one call, all memories together. Every first-class language starts below 16 MiB.
    guest_memory_bytes_max: usize = 64 * MIB;
    /// The most that a manifest or the operator may raise guest memory to.
    guest_memory_bytes_hard: usize = 512 * MIB;
    /// Stack of WebAssembly frames. Deeper recursion traps.
    guest_stack_bytes_max: usize = 512 * KIB;
    /// Stack of the fiber that a guest and the host functions under it run on; larger than the guest's own part.
    fiber_stack_bytes_max: usize = 2 * MIB;
    /// Elements of one table. The largest first-class guest (JavaScript) needs about 7,700.
    table_elements_max: usize = 20_000;
    /// Tables of one component.
    tables_max: u32 = 16;
    /// Memories of one component. QuickJS has three.
    memories_max: u32 = 4;
    /// Core instances of one component. A Python component without WASI has 38.
    core_instances_max: u32 = 64;
    /// Handles that one call can hold in the host at once.
    handles_max: usize = 1_000;
    /// Bytes that a guest may hand to the host in one host call, or return.
    hostcall_bytes_max: usize = 8 * MIB;
    /// Host calls of one call, all interfaces together; enough for a row by row loop, too few for a flood.
    host_calls_max: u32 = 10_000;
    /// Random bytes that one call may draw.
    random_bytes_max: u32 = 64 * 1024;
    /// Processor time of one call. A handler waits for others most of its time; one that computes longer needs a manifest line.
    cpu_time_max: Duration = Duration::from_secs(1);
    /// The most that a manifest or the operator may raise processor time to.
    cpu_time_hard: Duration = Duration::from_secs(10);
    /// Time on the wall of one call, waits included.
    wall_time_max: Duration = Duration::from_secs(30);
    /// The most that a manifest or the operator may raise wall time to.
    wall_time_hard: Duration = Duration::from_secs(120);
    /// How often running guests are interrupted to look at their budgets and to let others run.
    epoch_tick: Duration = Duration::from_millis(10);
    /// JSON text of one result as it goes to the client.
    output_bytes_max: usize = 4 * MIB;
    /// Bytes that one call may write to the host's log.
    log_bytes_max: usize = 64 * KIB;
    /// One record in the host's log; the rest is cut.
    log_line_bytes_max: usize = 8 * KIB;
    /// Records of all plugins of one tenant together, in the host's log; the rest is counted.
    log_records_per_second_max: u32 = 200;
    /// Denials of one call that are written to the host's log.
    audit_records_max: u32 = 100;

    /// Messages that one call may send to clients: progress, log messages, reports of changes.
    client_messages_max: u32 = 1_000;
    /// How often a call may ask its client for input before it is given up.
    rounds_max: u32 = 8;
    /// How long a client of the `initialize` era has to answer a request; a person may have to type.
    ask_time_max: Duration = Duration::from_secs(600);
    /// How long the state of a call that waits for input stays good in the hands of a client of the stateless era.
    request_state_time_max: Duration = Duration::from_secs(600);
    /// The sealed state as text; clients carry it back and forth.
    request_state_bytes_max: usize = 64 * KIB;

    // --- loading --------------------------------------------------------------------------------------------------------------
    /// A component's file. StarlingMonkey and Python components have 12 to 22 MB.
    component_bytes_max: usize = 32 * MIB;
    /// A manifest, or the operator's configuration.
    manifest_bytes_max: usize = 256 * KIB;
    /// Configuration values of one plugin.
    config_values_max: usize = 128;
    /// Configuration values of one plugin with their keys, together.
    config_bytes_max: usize = 64 * KIB;
    /// Components that are compiled at the same time; compilation takes one core each.
    compiles_max: usize = 2;
    /// Plugins that one tenant may have.
    plugins_max: usize = 64;
    /// Processor time for a component's description of itself.
    describe_cpu_time_max: Duration = Duration::from_secs(1);
    /// Wall time for a component's description of itself.
    describe_wall_time_max: Duration = Duration::from_secs(5);
    /// Operations of one plugin.
    operations_max: usize = 256;
    /// Prompts of one plugin.
    prompts_max: usize = 256;
    /// Resources and templates of one plugin.
    resources_max: usize = 1_024;
    /// Members of one page of a list.
    list_page_max: usize = 250;
    /// One page of a list as text.
    list_page_bytes_max: usize = MIB;
    /// One JSON Schema as text.
    schema_bytes_max: usize = 64 * KIB;
    /// Schemas that are looked at for one value and all that it has within. A validator takes some 50 ms for as many, outside of any sandbox.
    schema_steps_max: u32 = 1_000_000;
    /// Levels of types in a plain function's signature, a list of records of lists counting three.
    type_depth_max: usize = 24;
    /// A description, instructions included. Longer ones only cost the model tokens.
    description_bytes_max: usize = 16 * KIB;

    // --- concurrency ----------------------------------------------------------------------------------------------------------
    /// Calls that run at the same time. The instance pool has this many slots, and some for feeds and for loading.
    calls_max: usize = 256;
    /// Calls of one tenant that run at the same time.
    tenant_calls_max: usize = 128;
    /// Calls of one plugin that run at the same time.
    plugin_calls_max: usize = 64;
    /// How long a call waits for a slot before it is told to come back later.
    queue_wait_max: Duration = Duration::from_millis(250);
    /// Connections that are open at the same time.
    connections_max: usize = 1_024;
    /// Connections that one address may have open at the same time; the host's own loopback is not counted.
    address_connections_max: usize = 64;
    /// Streams that one HTTP/2 connection may have open at the same time.
    h2_streams_max: u32 = 100;
    /// Requests that a stdio client may have in flight.
    stdio_requests_max: usize = 256;
    /// Requests that the client of one WebSocket may have in flight; more are refused.
    ws_requests_max: usize = 64;

    /// Requests of `subscriptions/listen` that are open at the same time, and sessions that listen.
    listeners_max: usize = 4_096;
    /// Resources that one listener is told about.
    listener_resources_max: usize = 1_024;
    /// Messages that wait for one client that does not read them; the rest is dropped.
    outlet_messages_max: usize = 256;
    /// Bytes that wait for one client that does not read them; the rest is dropped.
    outlet_bytes_max: usize = 4 * MIB;

    // --- topics ---------------------------------------------------------------------------------------------------------------
    /// Topics in the catalog of one plugin.
    topics_max: usize = 64;
    /// Topics of one plugin that are listened to or keep events, those that a `{variable}` stands for counted one by one.
    topics_live_max: usize = 1_024;
    /// Events that one topic keeps; a catalog may say fewer.
    topic_retained_max: usize = 1_000;
    /// What all topics of one plugin keep together.
    topic_retained_bytes_max: usize = 8 * MIB;
    /// How often clients are told that the resource of a topic was updated, however much is published.
    topic_told_every: Duration = Duration::from_millis(100);
    /// One event: its data, and where it came from, how serious and of what kind it is; a subscriber's queue holds at least four.
    event_bytes_max: usize = 64 * KIB;
    /// Events of one plugin, from whatever source; the rest is refused, or waits when it comes from a feed.
    events_per_second_max: u32 = 5_000;
    /// Events that wait for one subscriber that does not keep up.
    subscriber_events_max: usize = 64;
    /// Bytes of the events that wait for one subscriber.
    subscriber_bytes_max: usize = 256 * KIB;
    /// Subscriptions that one caller may have open at the same time.
    subscriptions_per_caller_max: usize = 16;
    /// Subscriptions that one tenant may have open at the same time.
    subscriptions_per_tenant_max: usize = 256;
    /// Topics of one subscription.
    subscription_topics_max: usize = 16;
    /// How long a subscriber may take nothing while events wait for it; then its connection is closed.
    subscriber_stall_max: Duration = Duration::from_secs(5);
    /// What is written to one subscriber at once, unless a single event is larger; it is copied together for that.
    subscriber_write_bytes_max: usize = 16 * KIB;
    /// How soon a client should come back whose stream of events ended.
    stream_retry: Duration = Duration::from_secs(1);
    /// Members of one filter.
    filter_members_max: usize = 16;
    /// Values that one member of a filter may list.
    filter_values_max: usize = 64;
    /// A pattern in a filter, as text.
    filter_pattern_bytes_max: usize = KIB;
    /// A pattern in a filter, compiled; each of its two forms.
    filter_compiled_bytes_max: usize = 256 * KIB;
    /// How much of an event's texts a pattern is searched in, all of them together: a hostile pattern takes some 30 microseconds for each
    /// byte, and whoever publishes waits for it.
    filter_text_bytes_max: usize = 4 * KIB;
    /// Feeds of one plugin that run at the same time; each holds an instance.
    plugin_feeds_max: usize = 16;
    /// Feeds of all plugins that run at the same time. The instance pool has slots for them.
    feeds_max: usize = 64;
    /// How long one `next` of a feed is asked to wait for events. It may take the wall time of a call on top.
    feed_next_time_max: Duration = Duration::from_secs(5);
    /// Events that one `next` of a feed may return.
    feed_events_max: usize = 256;
    /// How soon a feed that came back with nothing is asked again, when it did not wait itself.
    feed_idle_delay: Duration = Duration::from_millis(50);
    /// Before a feed that failed is started again, the first time; each later time it is twice as long.
    feed_restart_delay: Duration = Duration::from_millis(250);
    /// The longest that a feed which keeps failing waits to be started again.
    feed_restart_delay_max: Duration = Duration::from_secs(30);

    // --- webhooks -------------------------------------------------------------------------------------------------------------
    /// The body of a webhook's request. Anybody can send one before its signature is known; GitHub's largest are 25 MB, others' some KiB.
    webhook_body_bytes_max: usize = MIB;
    /// Requests of one plugin's webhooks that are remembered, so that they are taken once. Those that come then are refused, and none is
    /// forgotten.
    webhook_replays_max: usize = 50_000;
    /// Events that one request of a webhook may become.
    webhook_events_max: usize = 256;
    /// Refused requests of one plugin's webhooks that are written to the log; the rest is counted. Anybody can send them.
    webhook_refusals_logged_per_second_max: u32 = 5;

    // --- answers given again --------------------------------------------------------------------------------------------------
    /// How long an answer is given again at most, whatever the catalog says.
    cache_ttl_max: Duration = Duration::from_secs(60 * 60);
    /// How old an answer may be that is given when its handler fails, whatever the manifest says.
    cache_stale_max: Duration = Duration::from_secs(24 * 60 * 60);
    /// Answers of one tenant that are kept, in the three forms that they go out in.
    cache_bytes_max: usize = 64 * MIB;
    /// Different queries of one tenant that others with the same question can wait for; further ones run on their own.
    joins_max: usize = 10_000;
    /// How long a query waits for others to be given to its plugin together. The first one of an operation does not wait.
    gather_wait_max: Duration = Duration::from_millis(50);
    /// Queries that a plugin is given together.
    gather_max: usize = 100;

    // --- HTTP -----------------------------------------------------------------------------------------------------------------
    /// From accept to the first byte. Nothing below HTTP has a deadline of its own.
    first_byte_max: Duration = Duration::from_secs(5);
    /// From the first byte of a request's head to its last, whatever the progress.
    head_time_max: Duration = Duration::from_secs(10);
    /// From the end of the head to the end of the body, whatever the progress.
    body_time_max: Duration = Duration::from_secs(10);
    /// A keep-alive connection without a request.
    idle_time_max: Duration = Duration::from_secs(60);
    /// A peer that takes nothing of what is being written to it.
    write_stall_max: Duration = Duration::from_secs(30);
    /// A peer that does not even acknowledge what was sent to it: it has vanished.
    peer_silent_max: Duration = Duration::from_secs(30);
    /// What waits in the operating system until a peer takes it, beyond what is on its way.
    unsent_bytes_max: u32 = 64 * 1024;
    /// What waits in the host's memory for one HTTP/1.1 connection, each way; larger than any head that is let in.
    connection_buffer_bytes_max: usize = 64 * KIB;
    /// A request's head.
    head_bytes_max: usize = 32 * KIB;
    /// Header fields of a request.
    headers_max: usize = 64;
    /// A request's target.
    uri_bytes_max: usize = 8 * KIB;
    /// A request's body; also one line on stdio.
    body_bytes_max: usize = 4 * MIB;
    /// Nesting of a request's JSON.
    json_depth_max: usize = 64;
    /// Values in a request's JSON.
    json_values_max: usize = 100_000;
    /// How long a client waits for a plain answer; then it gets an event stream, so that nothing between thinks that we are gone. After
    /// that a status can say no more how it ended.
    plain_answer_max: Duration = Duration::from_secs(5);
    /// Between two signs of life on an event stream.
    stream_alive_every: Duration = Duration::from_secs(15);
    /// Calls of one plain batch.
    plain_batch_max: usize = 100;
    /// Calls of one plain batch that run at the same time: it leaves room for others, and waits for its own.
    plain_batch_calls_max: usize = 8;
    /// One plain batch, all of its calls together; what has not ended by then is given up.
    plain_batch_time_max: Duration = Duration::from_secs(120);
    /// Answers of one plain batch together; they are in memory at the same time.
    plain_batch_output_bytes_max: usize = 16 * MIB;
    /// A JSON Schema that a caller brings along for its data. It is compiled for this one call, outside of any sandbox.
    validation_bytes_max: usize = 16 * KIB;
    /// Patterns in such a schema.
    validation_patterns_max: usize = 16;
    /// All patterns of such a schema together, as text.
    validation_pattern_texts_bytes_max: usize = KIB;
    /// One of these patterns, compiled.
    validation_pattern_bytes_max: usize = 128 * KIB;
    /// Answers from this size on are compressed for clients that take it; below, it costs more than it saves.
    compress_bytes_min: usize = KIB;
    /// Answers above this size are compressed on another thread, so that nobody else on the connection's thread waits for it.
    compress_inline_bytes_max: usize = 64 * KIB;
    /// Schemas of operations in the OpenAPI document together; with more than that it only names the operations.
    openapi_schemas_bytes_max: usize = 4 * MIB;
    /// From the signal to stop to the end of the process.
    drain_time_max: Duration = Duration::from_secs(10);

    // --- the initialize era ---------------------------------------------------------------------------------------------------
    /// Sessions that are open at the same time; the one that was idle longest goes first.
    sessions_max: u64 = 10_000;
    /// A session without a request.
    session_idle_max: Duration = Duration::from_secs(30 * 60);
    /// Event streams of one session that can be resumed, the ended ones included; the oldest goes first.
    session_streams_max: usize = 32;
    /// The same as `plain_answer_max` for a client with a session: it can come back for the rest of a stream, and of nothing else.
    session_plain_answer_max: Duration = Duration::from_secs(1);
    /// Requests that one batch may have.
    batch_max: usize = 50;
    /// How long a call of a client that can resume (2025-11-25) holds a connection before the client has to come back for the rest.
    session_stream_time_max: Duration = Duration::from_secs(60);
    /// How soon it should come back.
    session_stream_retry: Duration = Duration::from_secs(1);

    // --- tasks ----------------------------------------------------------------------------------------------------------------
    /// Tasks of one tenant whose records are kept, finished ones included: more than one a second for as long as a record is kept.
    tasks_max: usize = 1_000;
    /// How long a call is waited for before it becomes a task. Most calls end sooner, and their clients need not ask again.
    task_grace: Duration = Duration::from_millis(250);
    /// How often clients should ask what has become of a task.
    task_poll_interval: Duration = Duration::from_millis(500);
    /// Time on the wall of one task, waits for its client included.
    task_wall_time_max: Duration = Duration::from_secs(60 * 60);
    /// How long the record of a task outlives the time that the task may take: a client that was away for a while still finds its result.
    task_ttl: Duration = Duration::from_secs(10 * 60);
    /// The most that the record of a task is kept, from its creation.
    task_ttl_max: Duration = Duration::from_secs(2 * 60 * 60);
    /// Results of one tenant's tasks together; one alone may have as much as any output. A thousand of the largest would fill the disk.
    task_outcomes_bytes_max: usize = 256 * MIB;
    /// What a task says about where it stands; the rest is cut.
    task_message_bytes_max: usize = KIB;

    // --- secrets --------------------------------------------------------------------------------------------------------------
    /// The text of one secret: a key or a token, not a document.
    secret_bytes_max: usize = 64 * KIB;
    /// How long a command may take to print a secret; the call that needs it waits.
    secret_command_time_max: Duration = Duration::from_secs(5);
    /// How long what a command printed stays good, unless the operator says otherwise.
    secret_refresh: Duration = Duration::from_secs(5 * 60);
    /// How soon a secret that could not be read is tried again.
    secret_retry_after: Duration = Duration::from_secs(1);

    // --- sql ------------------------------------------------------------------------------------------------------------------
    /// Rows of one result; a grant may lower it.
    sql_rows_max: u32 = 1_000;
    /// JSON text of one result's rows; below what a guest may be handed.
    sql_result_bytes_max: usize = MIB;
    /// One value in a table or a parameter.
    sql_value_bytes_max: usize = MIB;
    /// The text of one statement.
    sql_statement_bytes_max: usize = 64 * KIB;
    /// Parameters of one statement.
    sql_parameters_max: usize = 1_000;
    /// One statement, from the moment that it has a connection.
    sql_statement_time_max: Duration = Duration::from_secs(5);
    /// One transaction of several statements, from its beginning; then it is rolled back, and its locks are others'.
    sql_transaction_time_max: Duration = Duration::from_secs(10);
    /// How long a statement waits for a connection, or for another writer.
    sql_wait_max: Duration = Duration::from_secs(2);
    /// Connections to one database for one plugin.
    sql_connections_max: usize = 4;
    /// Memory of SQLite in the whole process: sorting and temporary tables of every statement that runs.
    sql_memory_bytes_max: usize = 256 * MIB;

    // --- keyvalue -------------------------------------------------------------------------------------------------------------
    /// A key; long enough for a path or two identifiers.
    keyvalue_key_bytes_max: usize = 512;
    /// One value; what is larger belongs in a file.
    keyvalue_value_bytes_max: usize = MIB;
    /// Keys of one page of a list, and of one request for several values.
    keyvalue_page_max: usize = 100;
    /// Values of one answer together; below what a guest may be handed.
    keyvalue_reply_bytes_max: usize = 4 * MIB;
    /// Keys and values of one plugin; a grant may lower it.
    keyvalue_bytes_max: usize = 64 * MIB;
    /// Keys of one plugin; a grant may lower it.
    keyvalue_entries_max: u32 = 100_000;
    /// Keys and values of one tenant, all of its plugins together.
    keyvalue_tenant_bytes_max: usize = 256 * MIB;
    /// Keys of one tenant, all of its plugins together.
    keyvalue_tenant_entries_max: u32 = 1_000_000;
    /// What the store may take on the disk, or in memory; the machine has other things to keep.
    keyvalue_store_bytes_max: usize = 4 << 30;
    /// Values of the file that are kept in memory as well, so that reading one costs no way to another thread.
    keyvalue_cache_bytes_max: usize = 64 * MIB;
    /// How long a host waits for another one to give up the file: one that is ending while the next one starts.
    keyvalue_open_wait_max: Duration = Duration::from_secs(5);
    /// Operations that wait for the file; whoever comes then waits before them.
    keyvalue_queue_max: usize = 256;
    /// How often what has expired is removed, at the least. It is not found before that either, but it takes room.
    keyvalue_sweep_every: Duration = Duration::from_secs(60);

    // --- files ----------------------------------------------------------------------------------------------------------------
    /// Bytes of the files in a folder that a plugin may write to; a grant may lower it.
    files_bytes_max: u64 = 256 << 20;
    /// Files and folders in a folder that a plugin may write to; a grant may lower it.
    files_entries_max: u32 = 10_000;
    /// Entries of one folder that is listed; the list is in the host's memory.
    files_listing_max: usize = 100_000;
    /// A path that a guest names, and how many parts it may have times two; the system's own limit is 4,096.
    files_path_bytes_max: usize = 1_024;
    // --- requests of guests -----------------------------------------------------------------------------------------------------
    /// Requests that one call may make, attempts and redirects included.
    http_requests_max: u32 = 32;
    /// Requests of one call at the same time.
    http_concurrency_max: usize = 6;
    /// Requests of one plugin at the same time; a grant may lower it.
    http_plugin_requests_max: usize = 32;
    /// Requests of one tenant at the same time.
    http_tenant_requests_max: usize = 128;
    /// Requests of all guests at the same time: each holds a socket.
    http_host_requests_max: usize = 256;
    /// How long a request waits until there are fewer.
    http_wait_max: Duration = Duration::from_millis(250);
    /// Looking up a name.
    http_resolve_time_max: Duration = Duration::from_secs(2);
    /// Names that are looked up at the same time; each holds a thread until the system's resolver gives up.
    http_lookups_max: usize = 32;
    /// The same for one plugin: what its names' servers take their time for is nobody else's trouble.
    http_plugin_lookups_max: usize = 4;
    /// Addresses of a name that are looked at.
    http_addresses_max: usize = 16;
    /// Connecting, all addresses of a name together.
    http_connect_time_max: Duration = Duration::from_secs(5);
    /// The TLS handshake.
    http_tls_time_max: Duration = Duration::from_secs(5);
    /// From the request to the end of the response's head.
    http_head_time_max: Duration = Duration::from_secs(10);
    /// Between two pieces of a response's body.
    http_between_time_max: Duration = Duration::from_secs(10);
    /// One request with its response, attempts and redirects included; a grant may lower it.
    http_time_max: Duration = Duration::from_secs(30);
    /// A request's URL.
    http_url_bytes_max: usize = 8 * KIB;
    /// A request's header fields, names and values.
    http_request_head_bytes_max: usize = 64 * KIB;
    /// A request's body.
    http_request_bytes_max: usize = 8 * MIB;
    /// A response's head.
    http_head_bytes_max: usize = 64 * KIB;
    /// Header fields of a response.
    http_headers_max: usize = 128;
    /// A response's body, before and after decompression; a grant may lower it.
    http_response_bytes_max: usize = 8 * MIB;
    /// The most that the operator may raise a response's body to.
    http_response_bytes_hard: usize = 64 * MIB;
    /// Redirects that are followed for a guest, whatever its grant says.
    http_redirects_max: u32 = 10;
    /// Attempts at one request, whatever its grant says.
    http_attempts_max: u32 = 5;
    /// Idle connections that one plugin keeps.
    http_idle_connections_max: usize = 8;
    /// How long it keeps one.
    http_idle_time_max: Duration = Duration::from_secs(30);
    /// Responses that one plugin keeps; a grant may lower it.
    http_cache_bytes_max: usize = 16 * MIB;
    /// How many responses one plugin keeps.
    http_cache_entries_max: usize = 1_024;
}

/// What one call may take: the host's limits, lowered by the manifest and the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallLimits {
    /// Linear memory, all memories together.
    pub memory_bytes_max: usize,
    /// Processor time.
    pub cpu_time_max: Duration,
    /// Time on the wall.
    pub wall_time_max: Duration,
    /// JSON text of the result.
    pub output_bytes_max: usize,
    /// Calls of the plugin at the same time.
    pub concurrency_max: usize,
}

impl Limits {
    /// What a call gets when its manifest says nothing.
    #[must_use]
    pub fn call(&self) -> CallLimits {
        CallLimits {
            memory_bytes_max: self.guest_memory_bytes_max,
            cpu_time_max: self.cpu_time_max,
            wall_time_max: self.wall_time_max,
            output_bytes_max: self.output_bytes_max,
            concurrency_max: self.plugin_calls_max,
        }
    }
}
