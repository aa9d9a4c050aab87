// Version 1 of the official TypeScript SDK, which knows the `initialize` handshake only: typescript-v1.mjs (URL | COMMAND ARGUMENT...)
import assert from 'node:assert/strict';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { exercise } from './checks.mjs';

const [command, ...args] = process.argv.slice(2);
const http = command.startsWith('http://');
const transport = http ? new StreamableHTTPClientTransport(new URL(command)) : new StdioClientTransport({ command, args });
const client = new Client({ name: 'cofferdam-tests', version: '1' });
// What goes wrong outside of a request.
const errors = [];
client.onerror = (error) => errors.push(error);

await client.connect(transport);
if (http) assert.equal(transport.protocolVersion, '2025-11-25');
await exercise(client);
if (http) await transport.terminateSession();
await client.close();
assert.deepEqual(errors, []);
