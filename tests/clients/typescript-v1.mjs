// Version 1 of the official TypeScript SDK, which knows the `initialize` handshake only:
// typescript-v1.mjs (database | fixtures | database,fixtures) (URL | COMMAND ARGUMENT...)
import assert from 'node:assert/strict';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import * as types from '@modelcontextprotocol/sdk/types.js';
import { ANSWERS, CAPABILITIES, exercise } from './typescript.mjs';

const [plugins, command, ...args] = process.argv.slice(2);
const http = command.startsWith('http://');
const transport = http ? new StreamableHTTPClientTransport(new URL(command)) : new StdioClientTransport({ command, args });
const client = new Client({ name: 'cofferdam-tests', version: '1' }, { capabilities: CAPABILITIES });
// What goes wrong outside of a request.
const errors = [];
client.onerror = (error) => errors.push(error);

const SCHEMAS = {
    'elicitation/create': types.ElicitRequestSchema,
    'sampling/createMessage': types.CreateMessageRequestSchema,
    'roots/list': types.ListRootsRequestSchema,
    'notifications/progress': types.ProgressNotificationSchema,
    'notifications/message': types.LoggingMessageNotificationSchema,
    'notifications/tools/list_changed': types.ToolListChangedNotificationSchema,
    'notifications/prompts/list_changed': types.PromptListChangedNotificationSchema,
    'notifications/resources/updated': types.ResourceUpdatedNotificationSchema,
};
for (const [method, answer] of Object.entries(ANSWERS)) client.setRequestHandler(SCHEMAS[method], answer);

await client.connect(transport);
if (http) assert.equal(transport.protocolVersion, '2025-11-25');
const connection = {
    client,
    modern: false,
    call: (params) => client.callTool(params),
    on: (method, handler) => client.setNotificationHandler(SCHEMAS[method], handler),
};
for (const plugin of plugins.split(',')) await exercise[plugin](connection);
if (http) await transport.terminateSession();
await client.close();
assert.deepEqual(errors, []);
// The client may have a reconnection planned, which it does not take back.
process.exit();
