// A model behind an endpoint that is compatible with OpenAI's chat completions.

export interface Message {
    role: 'system' | 'user' | 'assistant';
    content: string;
}

export interface Model {
    /** The base of its addresses, such as `https://api.example.com/v1`. */
    url: string;
    name: string;
    key?: string | undefined;
}

/** No answer to one question is longer, in characters. */
const ANSWER_MAX = 200_000;
const TIMEOUT_MS = 120_000;

const FORMAT = {
    type: 'json_schema',
    json_schema: {
        name: 'file',
        strict: true,
        schema: { type: 'object', properties: { code: { type: 'string' } }, required: ['code'], additionalProperties: false },
    },
};

/** The model's answer, as text; whoever asked looks whether it is what it should be. */
export async function ask(model: Model, messages: Message[]): Promise<string> {
    const headers: Record<string, string> = { 'content-type': 'application/json', accept: 'application/json' };
    if (model.key !== undefined) headers.authorization = `Bearer ${model.key}`;
    const body = JSON.stringify({ model: model.name, temperature: 0, seed: 1, messages, response_format: FORMAT });
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(`${model.url.replace(/\/+$/, '')}/chat/completions`, { method: 'POST', headers, body, signal, redirect: 'error' });
    if (!response.ok) throw new Error(`the model answered ${response.status}: ${(await response.text()).slice(0, 500)}`);
    const { choices } = (await response.json()) as { choices?: { message?: { content?: unknown }; finish_reason?: string }[] };
    const choice = choices?.[0];
    const content = choice?.message?.content;
    if (typeof content !== 'string') throw new Error('the model answered without text');
    if (choice?.finish_reason === 'length' || content.length > ANSWER_MAX) throw new Error('the answer of the model is too long');
    return content;
}
