// What every client has to see of the bundled database plugin over examples/data/shop.sql. As a program it checks one answer, JSON on its
// standard input.
import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';

const CALLS = [
    { name: 'database_schema', arguments: { table: 'orders' } },
    { name: 'database_query', arguments: { sql: 'SELECT count(*) AS n FROM customers' } },
];

const checks = {
    'tools/list': ({ tools }) => {
        const names = tools.map((tool) => tool.name);
        assert(CALLS.every((call) => names.includes(call.name)), `the tools are ${names}`);
    },
    database_schema: (result) => assert.match(JSON.stringify(result.structuredContent ?? { result }), /"ordered_on"/),
    database_query: (result) => assert.deepEqual(result.structuredContent?.rows ?? result, [{ n: 500 }]),
};

/** Puts a connected client of the TypeScript SDK, of either major version, through all of them. */
export async function exercise(client) {
    checks['tools/list'](await client.listTools());
    for (const call of CALLS) {
        checks[call.name](await client.callTool(call));
    }
}

if (import.meta.main) {
    checks[process.argv[2]](JSON.parse(await text(process.stdin)).result);
}
