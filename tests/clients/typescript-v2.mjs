// Version 2 of the official TypeScript SDK:
// typescript-v2.mjs (database | fixtures | database,fixtures) (legacy | auto | pin) (URL | COMMAND ARGUMENT...)
import assert from 'node:assert/strict';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { ANSWERS, CAPABILITIES, exercise } from './typescript.mjs';

const NEWEST = '2026-07-28';
const [plugins, mode, command, ...args] = process.argv.slice(2);
const http = command.startsWith('http://');
const transport = http ? new StreamableHTTPClientTransport(new URL(command)) : new StdioClientTransport({ command, args });
const versionNegotiation = { mode: mode === 'pin' ? { pin: NEWEST } : mode };
const client = new Client({ name: 'cofferdam-tests', version: '1' }, { versionNegotiation, capabilities: CAPABILITIES });
// What goes wrong outside of a request.
const errors = [];
client.onerror = (error) => errors.push(error);
for (const [method, answer] of Object.entries(ANSWERS)) client.setRequestHandler(method, answer);

await client.connect(transport);
assert.equal(client.getNegotiatedProtocolVersion(), mode === 'legacy' ? '2025-11-25' : NEWEST);
const connection = {
    client,
    modern: mode !== 'legacy',
    call: (params) => client.callTool(params),
    on: (method, handler) => client.setNotificationHandler(method, handler),
};
for (const plugin of plugins.split(',')) await exercise[plugin](connection);
if (http && mode === 'legacy') await transport.terminateSession();
await client.close();
assert.deepEqual(errors, []);
