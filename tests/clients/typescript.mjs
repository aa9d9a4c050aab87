// What both major versions of the TypeScript SDK do with the host; they name nearly everything the same. A version's own script tells how
// it `call`s a tool, and how it listens with `on`: typescript-v1.mjs, typescript-v2.mjs.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { DATABASE, FIXTURES } from './checks.mjs';

export const CAPABILITIES = { elicitation: {}, sampling: {}, roots: {} };

/** What the user, the model and the machine on the client's side answer, by what is asked. */
export const ANSWERS = {
    'elicitation/create': ({ params }) => {
        const values = { username: 'ada', email: 'ada@example.com', name: 'Ada', color: 'blue', ok: true, context: 'the harbour' };
        const asked = Object.keys(params.requestedSchema.properties);
        return { action: 'accept', content: Object.fromEntries(asked.map((name) => [name, values[name]])) };
    },
    'sampling/createMessage': ({ params }) => {
        assert.equal(params.maxTokens, 100);
        return { role: 'assistant', model: 'none', stopReason: 'endTurn', content: { type: 'text', text: 'Paris' } };
    },
    'roots/list': () => ({ roots: [{ uri: 'file:///workspace', name: 'workspace' }] }),
};

async function database({ client, call }) {
    DATABASE['tools/list'](await client.listTools());
    DATABASE.database_schema(await call({ name: 'database_schema', arguments: { table: 'orders' } }));
    DATABASE.database_query(await call({ name: 'database_query', arguments: { sql: 'SELECT count(*) AS n FROM customers' } }));
}

async function eventually(what, done, again = () => {}) {
    for (let waited = 0; !done(); waited += 50) {
        assert(waited < 10_000, `${what} did not arrive`);
        if (waited % 1000 === 0) await again();
        await delay(50);
    }
}

async function fixtures(connection) {
    const { client, call, modern } = connection;
    const tool = async (name, args = {}) => FIXTURES[name](await call({ name, arguments: args }));
    const read = async (uri) => FIXTURES[uri](await client.readResource({ uri }));
    const prompt = async (name, args) => FIXTURES[name](await client.getPrompt({ name, arguments: args }));

    const listed = await client.listTools();
    FIXTURES['tools/list'](listed);
    for (const name of ['test_simple_text', 'test_image_content', 'test_multiple_content_types', 'test_error_handling']) await tool(name);
    await assert.rejects(call({ name: 'no_such_tool', arguments: {} }), { code: -32602 });
    if (modern) {
        // Of which the argument goes into a header too.
        const { name } = listed.tools.find((each) => JSON.stringify(each.inputSchema).includes('"x-mcp-header"'));
        assert(!(await call({ name, arguments: { value: 'Größe' } })).isError);
    }

    FIXTURES['resources/list'](await client.listResources());
    FIXTURES['resources/templates/list'](await client.listResourceTemplates());
    for (const uri of ['test://static-text', 'test://static-binary', 'test://template/123/data']) await read(uri);
    await assert.rejects(client.readResource({ uri: 'test://nothing' }), (error) => [-32602, -32002].includes(error.code));

    FIXTURES['prompts/list'](await client.listPrompts());
    await prompt('test_simple_prompt');
    await prompt('test_prompt_with_arguments', { arg1: 'hello', arg2: 'world' });
    await prompt('test_prompt_with_embedded_resource', { resourceUri: 'test://static-text' });
    await prompt('test_prompt_with_image');
    const ref = { type: 'ref/prompt', name: 'test_prompt_with_arguments' };
    FIXTURES['completion/complete'](await client.complete({ ref, argument: { name: 'arg1', value: 'par' } }));

    await progress(connection);
    await questions(tool, prompt, modern);
    await logging(connection, tool);
    await changes(connection, tool);
}

/** Not by `onprogress`: the SDK forgets it when a result comes, even before it has called it with what came together with the result. */
async function progress({ call, on }) {
    const reports = [];
    on('notifications/progress', ({ params }) => reports.push([params.progressToken, params.progress, params.total]));
    FIXTURES.test_tool_with_progress(await call({ name: 'test_tool_with_progress', arguments: {}, _meta: { progressToken: 'token' } }));
    await eventually('progress', () => reports.length >= 3);
    assert.deepEqual(reports, [['token', 0, 100], ['token', 50, 100], ['token', 100, 100]]);
}

/** The handlers of `ANSWERS` are the same in both eras; what comes to them is not. */
async function questions(tool, prompt, modern) {
    if (!modern) {
        await tool('test_elicitation', { message: 'Who are you?' });
        await tool('test_sampling', { prompt: 'What is the capital of France?' });
        return;
    }
    for (const what of ['elicitation', 'sampling', 'list_roots', 'request_state', 'multi_round']) {
        await tool(`test_input_required_result_${what}`);
    }
    await prompt('test_input_required_result_prompt');
}

async function logging({ client, call, on, modern }, tool) {
    const logged = [];
    on('notifications/message', ({ params }) => logged.push(params.level));
    if (modern) {
        // Only who asks for messages gets them.
        await tool('test_logging_tool');
        assert.deepEqual(logged, []);
        const _meta = { 'io.modelcontextprotocol/logLevel': 'debug' };
        await call({ name: 'test_tool_with_logging', arguments: {}, _meta });
    } else {
        await client.setLoggingLevel('debug');
        await tool('test_tool_with_logging');
    }
    await eventually('three log messages', () => logged.length >= 3);
    assert.deepEqual(logged, ['info', 'info', 'info']);
}

/** Until it is heard of, a change is made every second: the stream that tells of changes may not be open yet. */
async function changes({ client, on, modern }, tool) {
    const heard = new Set();
    for (const what of ['tools', 'prompts']) on(`notifications/${what}/list_changed`, () => heard.add(what));
    on('notifications/resources/updated', ({ params }) => heard.add(params.uri));
    const uri = 'test://watched-resource';
    let subscription;
    if (modern) {
        subscription = await client.listen({ toolsListChanged: true, promptsListChanged: true, resourceSubscriptions: [uri] });
        assert.deepEqual(subscription.honoredFilter, { toolsListChanged: true, promptsListChanged: true, resourceSubscriptions: [uri] });
    } else {
        await client.subscribeResource({ uri });
    }
    await eventually('a change of the tools', () => heard.has('tools'), () => tool('test_trigger_tool_change'));
    await eventually('a change of the prompts', () => heard.has('prompts'), () => tool('test_trigger_prompt_change'));
    await eventually('an update of the resource', () => heard.has(uri), () => tool('test_update_watched_resource'));
    if (modern) await subscription.close();
    else await client.unsubscribeResource({ uri });
}

/** Puts a connected client through everything that it has to do with a plugin. */
export const exercise = { database, fixtures };
