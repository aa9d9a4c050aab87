"""The official Python client: python.py (database | fixtures | database,fixtures) MODE (URL | COMMAND ARGUMENT...)"""

import base64
import json
import sys
import traceback
import warnings

import anyio
import mcp_types as types
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError, MCPDeprecationWarning

# What 2026-07-28 has no more is still there in older revisions.
warnings.simplefilter("ignore", MCPDeprecationWarning)

plugins, mode, *target = sys.argv[1:]
VERSIONS = {"legacy": "2025-11-25", "auto": "2026-07-28", "2026-07-28": "2026-07-28"}
ANSWERS = {"username": "ada", "email": "ada@example.com", "name": "Ada", "color": "blue", "ok": True, "context": "the harbour"}
WATCHED = "test://watched-resource"

logged: list = []
heard: list = []


async def elicit(context, params):
    content = {name: ANSWERS[name] for name in params.requested_schema["properties"]}
    return types.ElicitResult(action="accept", content=content)


async def sample(context, params):
    assert params.max_tokens == 100, params
    return types.CreateMessageResult(role="assistant", model="none", content=types.TextContent(type="text", text="Paris"))


async def roots(context):
    return types.ListRootsResult(roots=[types.Root(uri="file:///workspace", name="workspace")])


async def log(params):
    logged.append(params.level)


async def hear(message):
    assert not isinstance(message, Exception), message
    heard.append(message)


def connect():
    server = target[0] if target[0].startswith("http://") else stdio_client(StdioServerParameters(command=target[0], args=target[1:]))
    return Client(
        server,
        mode=mode,
        elicitation_callback=elicit,
        sampling_callback=sample,
        list_roots_callback=roots,
        logging_callback=log,
        message_handler=hear,
    )


async def call(client, tool, arguments=None, **options):
    result = await client.call_tool(tool, arguments, **options)
    assert not result.is_error, result
    return result


async def says(client, tool, words, arguments=None):
    result = await call(client, tool, arguments)
    assert words in result.content[0].text, result


async def refused(call, *codes):
    try:
        result = await call
    except MCPError as error:
        assert error.code in codes, error
    else:
        raise AssertionError(result)


async def eventually(what, done, again=None):
    """Until it is heard of, a change is made every second: the stream that tells of changes may not be open yet."""
    for tries in range(200):
        if done():
            return
        if again and tries % 20 == 0:
            await again()
        await anyio.sleep(0.05)
    raise AssertionError(f"{what} did not arrive")


async def database(client):
    names = [tool.name for tool in (await client.list_tools()).tools]
    assert {"database_schema", "database_query"} <= set(names), names
    schema = (await call(client, "database_schema", {"table": "orders"})).structured_content
    assert "ordered_on" in str(schema), schema
    rows = (await call(client, "database_query", {"sql": "SELECT count(*) AS n FROM customers"})).structured_content
    assert rows["rows"] == [{"n": 500}], rows


async def fixtures(client):
    await tools(client)
    await resources(client)
    await prompts(client)
    await progress(client)
    await questions(client)
    await logging(client)
    if mode == "legacy":
        await subscription(client)
    else:
        await listening(client)


async def tools(client):
    listed = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert listed["json_schema_2020_12_tool"].input_schema["$defs"]["address"]["$anchor"] == "addressDef", listed
    await says(client, "test_simple_text", "This is a simple text response for testing.")
    [image] = (await call(client, "test_image_content")).content
    assert image.mime_type == "image/png" and base64.b64decode(image.data).startswith(b"\x89PNG"), image
    kinds = [block.type for block in (await call(client, "test_multiple_content_types")).content]
    assert kinds == ["text", "image", "resource"], kinds
    failed = await client.call_tool("test_error_handling")
    assert failed.is_error and "intentionally returns an error" in failed.content[0].text, failed
    await refused(client.call_tool("no_such_tool"), types.INVALID_PARAMS)
    if mode != "legacy":
        # Of which the argument goes into a header too.
        name = next(name for name, tool in listed.items() if "x-mcp-header" in json.dumps(tool.input_schema))
        await call(client, name, {"value": "Größe"})


async def resources(client):
    uris = [resource.uri for resource in (await client.list_resources()).resources]
    assert {"test://static-text", "test://static-binary", WATCHED} <= set(uris), uris
    templates = [template.uri_template for template in (await client.list_resource_templates()).resource_templates]
    assert "test://template/{id}/data" in templates, templates
    [text] = (await client.read_resource("test://static-text")).contents
    assert text.text == "This is the content of the static text resource.", text
    [binary] = (await client.read_resource("test://static-binary")).contents
    assert binary.mime_type == "image/png" and base64.b64decode(binary.blob).startswith(b"\x89PNG"), binary
    [filled] = (await client.read_resource("test://template/123/data")).contents
    assert json.loads(filled.text)["id"] == "123", filled
    # The second is of the older revisions.
    await refused(client.read_resource("test://nothing"), types.INVALID_PARAMS, -32002)


async def prompts(client):
    names = [prompt.name for prompt in (await client.list_prompts()).prompts]
    assert {"test_simple_prompt", "test_prompt_with_arguments", "test_prompt_with_image"} <= set(names), names
    filled = await client.get_prompt("test_prompt_with_arguments", {"arg1": "hello", "arg2": "world"})
    assert "arg1='hello', arg2='world'" in filled.messages[0].content.text, filled
    image = await client.get_prompt("test_prompt_with_image")
    assert "image" in [message.content.type for message in image.messages], image
    ref = types.PromptReference(type="ref/prompt", name="test_prompt_with_arguments")
    completed = await client.complete(ref, {"name": "arg1", "value": "par"})
    assert isinstance(completed.completion.values, list), completed


async def progress(client):
    reports = []

    async def report(progress, total, message):
        reports.append((progress, total))

    await call(client, "test_tool_with_progress", progress_callback=report)
    await eventually("progress", lambda: len(reports) >= 3)
    assert reports == [(0, 100), (50, 100), (100, 100)], reports


async def questions(client):
    """The callbacks are the same in both eras; what comes to them is not."""
    if mode == "legacy":
        await says(client, "test_elicitation", "ada@example.com", {"message": "Who are you?"})
        await says(client, "test_sampling", "LLM response: Paris", {"prompt": "What is the capital of France?"})
        return
    await says(client, "test_input_required_result_elicitation", "Hello, Ada!")
    await says(client, "test_input_required_result_sampling", "Paris")
    await says(client, "test_input_required_result_list_roots", "file:///workspace")
    await says(client, "test_input_required_result_request_state", "state-ok")
    await call(client, "test_input_required_result_multi_round")
    asked = await client.get_prompt("test_input_required_result_prompt")
    assert "the harbour" in asked.messages[-1].content.text, asked


async def logging(client):
    if mode == "legacy":
        await client.set_logging_level("debug")
        await call(client, "test_tool_with_logging")
    else:
        # Only who asks for messages gets them.
        await call(client, "test_logging_tool")
        assert logged == [], logged
        await call(client, "test_tool_with_logging", meta={"io.modelcontextprotocol/logLevel": "debug"})
    await eventually("three log messages", lambda: len(logged) >= 3)
    assert logged == ["info"] * 3, logged


CHANGES = {
    "test_trigger_tool_change": types.ToolListChangedNotification,
    "test_trigger_prompt_change": types.PromptListChangedNotification,
    "test_update_watched_resource": types.ResourceUpdatedNotification,
}


async def changes(client):
    for tool, kind in CHANGES.items():
        await eventually(tool, lambda: any(isinstance(message, kind) for message in heard), lambda: call(client, tool))


async def subscription(client):
    await client.subscribe_resource(WATCHED)
    await changes(client)
    await client.unsubscribe_resource(WATCHED)


async def listening(client):
    async with client.listen(tools_list_changed=True, prompts_list_changed=True, resource_subscriptions=[WATCHED]) as stream:
        assert stream.honored.tools_list_changed and stream.honored.prompts_list_changed, stream.honored
        assert stream.honored.resource_subscriptions == [WATCHED], stream.honored
        await changes(client)


async def main():
    with anyio.fail_after(60):
        async with connect() as client:
            assert client.protocol_version == VERSIONS[mode], client.protocol_version
            for plugin in plugins.split(","):
                await {"database": database, "fixtures": fixtures}[plugin](client)


def causes(error):
    """What happened, without the task groups around it."""
    return [cause for each in error.exceptions for cause in causes(each)] if isinstance(error, BaseExceptionGroup) else [error]


try:
    anyio.run(main)
except BaseException as error:
    for cause in causes(error):
        traceback.print_exception(cause, chain=False)
    sys.exit(1)
