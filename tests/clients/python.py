"""The official Python client: python.py MODE (URL | COMMAND ARGUMENT...)"""

import sys
import traceback

import anyio
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

mode, *target = sys.argv[1:]
VERSIONS = {"legacy": "2025-11-25", "auto": "2026-07-28", "2026-07-28": "2026-07-28"}


def connect():
    if target[0].startswith("http://"):
        return Client(target[0], mode=mode)
    return Client(stdio_client(StdioServerParameters(command=target[0], args=target[1:])), mode=mode)


async def call(client, tool, arguments):
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    return result.structured_content


async def main():
    with anyio.fail_after(60):
        async with connect() as client:
            assert client.protocol_version == VERSIONS[mode], client.protocol_version
            names = [tool.name for tool in (await client.list_tools()).tools]
            assert {"database_schema", "database_query"} <= set(names), names
            schema = await call(client, "database_schema", {"table": "orders"})
            assert "ordered_on" in str(schema), schema
            rows = await call(client, "database_query", {"sql": "SELECT count(*) AS n FROM customers"})
            assert rows["rows"] == [{"n": 500}], rows


def causes(error):
    """What happened, without the task groups around it."""
    return [cause for each in error.exceptions for cause in causes(each)] if isinstance(error, BaseExceptionGroup) else [error]


try:
    anyio.run(main)
except BaseException as error:
    for cause in causes(error):
        traceback.print_exception(cause, chain=False)
    sys.exit(1)
