// What every client has to see of the bundled database plugin over examples/data/shop.sql, and of the plugin with the fixtures of the
// conformance suite. As a program it checks one answer, JSON on its standard input: checks.mjs (database | fixtures) (METHOD | NAME | URI)
import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';

const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';

const includes = (key, list, ...wanted) => {
    const names = list.map((item) => item[key]);
    assert.deepEqual(wanted.filter((name) => !names.includes(name)), [], `there are ${names}`);
};
const says = (words) => (result) => {
    assert(!result.isError, JSON.stringify(result));
    assert.match(result.content[0].text, words);
};
const contents = (expected) => ({ contents }) => {
    assert.equal(contents.length, 1);
    for (const [key, value] of Object.entries(expected)) assert.deepEqual(contents[0][key], value);
};
const message = (words) => ({ messages }) => assert.match(messages.at(-1).content.text, words);

export const DATABASE = {
    'tools/list': ({ tools }) => includes('name', tools, 'database_schema', 'database_query'),
    database_schema: (result) => assert.match(JSON.stringify(result.structuredContent ?? { result }), /"ordered_on"/),
    database_query: (result) => assert.deepEqual(result.structuredContent?.rows ?? result, [{ n: 500 }]),
};

export const FIXTURES = {
    'tools/list': ({ tools }) => {
        includes('name', tools, 'test_simple_text', 'test_image_content', 'test_error_handling', 'test_tool_with_progress');
        const { inputSchema } = tools.find((tool) => tool.name === 'json_schema_2020_12_tool');
        assert.equal(inputSchema.$defs.address.$anchor, 'addressDef');
    },
    test_simple_text: says(/^This is a simple text response for testing\.$/),
    test_image_content: ({ content }) => assert.deepEqual(content, [{ type: 'image', data: PNG, mimeType: 'image/png' }]),
    test_multiple_content_types: ({ content }) => assert.deepEqual(content.map((block) => block.type), ['text', 'image', 'resource']),
    test_error_handling: (result) => {
        assert.equal(result.isError, true);
        assert.match(result.content[0].text, /intentionally returns an error/);
    },
    test_elicitation: says(/ada@example\.com/),
    test_sampling: says(/^LLM response: Paris/),
    test_tool_with_progress: says(/./),
    test_tool_with_logging: says(/./),
    test_logging_tool: says(/./),
    test_input_required_result_elicitation: says(/^Hello, Ada!$/),
    test_input_required_result_sampling: says(/Paris/),
    test_input_required_result_list_roots: says(/file:\/\/\/workspace/),
    test_input_required_result_request_state: says(/state-ok/),
    test_input_required_result_multi_round: says(/./),
    test_trigger_tool_change: says(/./),
    test_trigger_prompt_change: says(/./),
    test_update_watched_resource: says(/./),
    'resources/list': ({ resources }) =>
        includes('uri', resources, 'test://static-text', 'test://static-binary', 'test://watched-resource'),
    'resources/templates/list': ({ resourceTemplates }) => includes('uriTemplate', resourceTemplates, 'test://template/{id}/data'),
    'test://static-text': contents({ mimeType: 'text/plain', text: 'This is the content of the static text resource.' }),
    'test://static-binary': contents({ mimeType: 'image/png', blob: PNG }),
    'test://template/123/data': ({ contents }) => assert.equal(JSON.parse(contents[0].text).id, '123'),
    'prompts/list': ({ prompts }) => {
        includes('name', prompts, 'test_simple_prompt', 'test_prompt_with_arguments', 'test_prompt_with_image');
        assert.equal(prompts.find((prompt) => prompt.name === 'test_prompt_with_arguments').arguments.length, 2);
    },
    test_simple_prompt: message(/./),
    test_prompt_with_arguments: message(/arg1='hello', arg2='world'/),
    test_prompt_with_embedded_resource: ({ messages }) => includes('type', messages.map((each) => each.content), 'resource'),
    test_prompt_with_image: ({ messages }) => includes('type', messages.map((each) => each.content), 'image'),
    test_input_required_result_prompt: message(/the harbour/),
    'completion/complete': ({ completion }) => assert(Array.isArray(completion.values)),
    'logging/setLevel': (result) => assert.deepEqual(result, {}),
};

if (import.meta.main) {
    const [plugin, what] = process.argv.slice(2);
    const { result } = JSON.parse(await text(process.stdin));
    (plugin === 'database' ? DATABASE : FIXTURES)[what](result);
}
