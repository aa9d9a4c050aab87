// Event streams, by a stand-in of the host that writes what it is told.
import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { test } from 'node:test';
import { CofferdamClient, CofferdamError, type ClientOptions, type SubscribeOptions } from '../src/index.ts';
import { TestClock, serve, take } from './standins.ts';

const event = (id: number) => `id: ${id}\ndata: ${JSON.stringify({ id, topic: 'p/t', time: '2026-01-01T00:00:00Z', data: { n: id } })}\n\n`;
const STREAM = { 'content-type': 'text/event-stream' };

type Answer = (outgoing: ServerResponse, incoming: IncomingMessage) => void;
const writes = (...parts: (string | Buffer)[]): Answer => (outgoing) => {
    outgoing.writeHead(200, STREAM);
    for (const part of parts) outgoing.write(part);
};
const thenEnds = (...parts: (string | Buffer)[]): Answer => (outgoing, incoming) => (writes(...parts)(outgoing, incoming), outgoing.end());

/** What a subscription brings when its connections are answered one after the other so. */
async function check(answers: Answer[], count: number, more: Partial<ClientOptions> & { subscribe?: SubscribeOptions } = {}) {
    const requests: IncomingMessage[] = [];
    await using host = await serve((incoming, outgoing) => {
        requests.push(incoming);
        const answer = answers[requests.length - 1];
        assert(answer, 'nobody expected another connection');
        answer(outgoing, incoming);
    });
    const clock = new TestClock();
    const client = new CofferdamClient({ url: `${host.url}/mcp`, clock, retry: { random: () => 0.5 }, ...more });
    const [told, errors, statuses]: [number[], CofferdamError[], string[]] = [[], [], []];
    client.on('data-update', ({ id }) => told.push(id));
    client.on('error', (error) => errors.push(error));
    client.on('connection-status', ({ of, status }) => statuses.push(`${of} ${status}`));
    let failure: unknown;
    const ids: number[] = [];
    const events = client.subscribe('p/t', more.subscribe);
    await (async () => {
        for await (const { id } of events) if (ids.push(id) >= count) break;
    })().catch((error: unknown) => (failure = error));
    await client.close();
    assert.deepEqual(told, ids);
    const codes = errors.map((error) => error.code);
    return { ids, codes, errors, statuses, failure, slept: clock.slept, urls: requests.map(({ url }) => url), requests };
}

test('events arrive whatever the pieces they come in', async () => {
    const bytes = Buffer.from(`: hello\n\n${event(1)}data: {"id":2,\ndata: "topic":"p/t","time":"","data":{"é":"€"}}\n\n${event(3)}`);
    const pieces = Array.from({ length: Math.ceil(bytes.length / 3) }, (_, at) => bytes.subarray(at * 3, at * 3 + 3));
    const { ids, statuses, codes } = await check([writes(...pieces)], 3);
    assert.deepEqual(ids, [1, 2, 3]);
    assert.deepEqual(statuses, ['p/t connecting', 'p/t connected', 'p/t disconnected']);
    assert.deepEqual(codes, []);
});

test('topic and filters go into the request', async () => {
    const filters = { severity: ['error', 'fatal'], pattern: 'time ?out' };
    const { urls, requests } = await check([writes(event(8))], 1, { subscribe: { filters, after: 7 }, auth: { type: 'api-key', key: 'k' } });
    const { pathname, searchParams } = new URL(urls[0] ?? '', 'http://host');
    assert.equal(pathname, '/mcp/stream');
    assert.equal(searchParams.get('topic'), 'p/t');
    assert.deepEqual(JSON.parse(searchParams.get('filters') ?? ''), filters);
    assert.equal(requests[0]?.headers['last-event-id'], '7');
    assert.equal(requests[0]?.headers['x-api-key'], 'k');
});

test('a lost connection goes on after the last event, without telling any twice', async () => {
    const answers = [
        thenEnds(event(1), event(2)),
        ((outgoing) => outgoing.destroy()) as Answer,
        ((outgoing) => outgoing.writeHead(503, { 'retry-after': '2' }).end()) as Answer,
        ((outgoing) => outgoing.writeHead(502).end('<html>')) as Answer,
        writes(event(2), event(3)),
    ];
    const { ids, requests, codes, slept, statuses } = await check(answers, 3);
    assert.deepEqual(ids, [1, 2, 3]);
    assert.deepEqual(requests.map(({ headers }) => headers['last-event-id']), [undefined, '2', '2', '2', '2']);
    assert.deepEqual(slept, [100, 200, 2_400, 800]);
    assert.deepEqual(codes, ['unreachable']);
    assert.deepEqual(statuses.slice(1), ['p/t connected', 'p/t reconnecting', 'p/t connected', 'p/t disconnected']);
});

test('what is missing is told, and so is what ails the source', async () => {
    const lagged = 'event: lagged\ndata: {"missed":5}\n\n';
    const notice = (what: string) => `event: notice\ndata: {"notice":"${what}","topic":"p/t","delay_ms":100}\n\n`;
    const unknown = 'event: news\ndata: {}\n\n';
    const ended = 'event: ended\ndata: {"reason":"the plugin is gone"}\n\n';
    const { ids, errors, codes, failure } = await check([writes(event(1), lagged, unknown, event(7), notice('restarting'), notice('restarted'), event(8), ended)], Infinity);
    assert.deepEqual(ids, [1, 7, 8]);
    assert.deepEqual(codes, ['lagged', 'source']);
    assert.equal(errors[0]?.missed, 5);
    assert.deepEqual(errors[1]?.details, { notice: 'restarting', topic: 'p/t', delay_ms: 100 });
    assert.equal(failure, undefined);
});

test('a host that stops is waited for', async () => {
    const stops = 'event: ended\ndata: {"reason":"the host stops"}\n\n';
    const { ids, codes, requests } = await check([thenEnds(event(1), stops), writes(event(2))], 2);
    assert.deepEqual(ids, [1, 2]);
    assert.deepEqual(codes, ['unreachable']);
    assert.equal(requests[1]?.headers['last-event-id'], '1');
});

test('a topic that is gone may come back, but not for ever', async () => {
    const none: Answer = (outgoing) => outgoing.writeHead(404).end();
    const { ids, failure } = await check([thenEnds(event(1)), none, none, none, thenEnds(event(2)), none, none, none, none], 3);
    assert.deepEqual(ids, [1, 2]);
    assert.equal((failure as CofferdamError).status, 404);
});

test('what may be missing from before the first event is told', async () => {
    const { ids, codes } = await check([thenEnds(': hello\n\n'), writes(event(2))], 1);
    assert.deepEqual(ids, [2]);
    assert.deepEqual(codes, ['unreachable', 'lagged']);
});

test('a refusal ends the subscription with what the host said', async () => {
    const body = JSON.stringify({ type: 'about:blank', title: 'Not Found', status: 404, detail: 'there is no topic p/t' });
    const refuse: Answer = (outgoing) => outgoing.writeHead(404, { 'content-type': 'application/problem+json' }).end(body);
    const { failure, slept } = await check([refuse], 1);
    assert(failure instanceof CofferdamError);
    assert.deepEqual([failure.code, failure.status, failure.message], ['refused', 404, 'the host answered 404: there is no topic p/t']);
    assert.deepEqual(slept, []);
});

test('silence is a lost connection, comments are not silence', async () => {
    const comments: Answer = (outgoing) => {
        outgoing.writeHead(200, STREAM);
        let left = 15;
        const timer = setInterval(() => (left-- > 0 ? outgoing.write(':\n') : (clearInterval(timer), outgoing.write(event(1)))), 100);
        outgoing.on('close', () => clearInterval(timer));
    };
    const { ids, codes, errors } = await check([comments, writes(event(2))], 2, { silenceMaxMs: 1_000 });
    assert.deepEqual(ids, [1, 2]);
    assert.deepEqual(codes, ['unreachable']);
    assert.match(errors[0]?.message ?? '', /nothing came from the host for 1000 ms/);
});

test('a host that accepts only to close is not hammered', async () => {
    const { slept } = await check([...Array.from({ length: 6 }, () => thenEnds()), writes(event(1))], 1);
    assert.deepEqual(slept, [100, 200, 400, 800, 1_600, 3_200]);
});

test('a host that was never there is given up', async () => {
    const { failure, slept, statuses } = await check(Array.from({ length: 4 }, () => ((outgoing) => outgoing.destroy()) as Answer), 1);
    assert.equal((failure as CofferdamError).code, 'unreachable');
    assert.deepEqual(slept, [100, 200, 400]);
    assert.deepEqual(statuses, ['p/t connecting', 'p/t reconnecting', 'p/t disconnected']);
});

test('an aborted signal ends the iterator, also while it waits', async () => {
    await using host = await serve((incoming, outgoing) => writes(event(1))(outgoing, incoming));
    const client = new CofferdamClient({ url: `${host.url}/mcp` });
    const stop = new AbortController();
    client.on('data-update', () => setImmediate(() => stop.abort()));
    assert.equal((await take(client.subscribe('p/t', { signal: stop.signal }))).length, 1);
    assert.deepEqual(await take(client.subscribe('p/t', { signal: AbortSignal.abort() })), []);
    client.on('data-update', () => setImmediate(() => void client.close()));
    assert.equal((await take(client.subscribe('p/t'))).length, 1);
});
