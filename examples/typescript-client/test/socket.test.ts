// Subscriptions over a WebSocket, by a stand-in of the host that sends what it is told.
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { WebSocketServer, type WebSocket } from 'ws';
import { CofferdamClient, CofferdamError, type ClientOptions, type SubscribeOptions } from '../src/index.ts';
import { TestClock, take } from './standins.ts';

const event = (n: number) => ({ type: 'event', id: '1', event: { id: n, topic: 'p/t', time: '2026-01-01T00:00:00Z', data: { n } } });
const subscribed = { type: 'subscribed', id: '1' };

/** What the host does when it is asked for the events: it sends frames, and closes where there is `null`. */
type Answer = (object | null)[];
const refuse = 'refuse the handshake';

async function host(answers: (Answer | typeof refuse)[]) {
    const heads: IncomingMessage['headers'][] = [];
    const asked: unknown[] = [];
    const sockets: WebSocket[] = [];
    const server = createServer();
    const webSockets = new WebSocketServer({ noServer: true });
    server.on('upgrade', (incoming, socket, head) => {
        heads.push(incoming.headers);
        const answer = answers[heads.length - 1];
        assert(answer, 'nobody expected another connection');
        assert.equal(incoming.url, '/mcp/ws');
        if (answer === refuse) return void socket.end('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n');
        webSockets.handleUpgrade(incoming, socket, head, (webSocket) => {
            sockets.push(webSocket);
            webSocket.on('message', (text) => {
                asked.push(JSON.parse(String(text)));
                for (const frame of answer) frame ? webSocket.send(JSON.stringify(frame)) : webSocket.close(1001, 'bye');
            });
        });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const end = async () => {
        for (const socket of sockets) socket.terminate();
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
    };
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`, heads, asked, sockets, [Symbol.asyncDispose]: end };
}

async function check(answers: (Answer | typeof refuse)[], count: number, subscribe: SubscribeOptions = {}, more: Partial<ClientOptions> = {}) {
    await using there = await host(answers);
    const clock = new TestClock();
    const client = new CofferdamClient({ url: there.url, clock, transport: 'websocket', retry: { random: () => 0.5 }, ...more });
    const [errors, statuses]: [CofferdamError[], string[]] = [[], []];
    client.on('error', (error) => errors.push(error));
    client.on('connection-status', ({ status }) => statuses.push(status));
    const taken = await take(client.subscribe('p/t', subscribe), count).catch((error: unknown) => error);
    await client.close();
    const ids = Array.isArray(taken) ? taken.map((each: { id: number }) => each.id) : [];
    return { ids, failure: taken, codes: errors.map(({ code }) => code), statuses, slept: clock.slept, heads: there.heads, asked: there.asked };
}

test('a subscription is asked for, with credentials, and its frames are told', async () => {
    const lagged = { type: 'lagged', id: '1', missed: 2 };
    const notice = { type: 'notice', id: '1', notice: 'restarting', topic: 'p/t', delay_ms: 5 };
    const ended = { type: 'ended', id: '1', reason: 'the plugin is gone' };
    const filters = { severity: 'error' };
    const answers = [[subscribed, event(4), lagged, notice, { type: 'news' }, event(7), ended]];
    const told = await check(answers, Infinity, { filters, after: 3 }, { auth: { type: 'bearer', token: 't' } });
    assert.deepEqual(told.ids, [4, 7]);
    assert.deepEqual(told.codes, ['lagged', 'source']);
    assert.deepEqual(told.statuses, ['connecting', 'connected', 'disconnected']);
    assert.deepEqual(told.asked, [{ type: 'subscribe', id: '1', topic: 'p/t', filters, after: 3 }]);
    assert.equal(told.heads[0]?.authorization, 'Bearer t');
});

test('a lost connection goes on after the last event', async () => {
    const stops = { type: 'ended', id: '1', reason: 'the host stops' };
    const busy = { type: 'error', id: '1', problem: { status: 429, title: 'too many' } };
    const answers = [[subscribed, event(1), null], refuse, [busy], [subscribed, event(1), event(2), stops], [subscribed, event(3)]] as const;
    const told = await check(answers as unknown as Answer[], 3);
    assert.deepEqual(told.ids, [1, 2, 3]);
    assert.deepEqual(told.codes, ['unreachable', 'unreachable']);
    assert.deepEqual((told.asked as { after?: number }[]).map(({ after }) => after), [undefined, 1, 1, 2]);
    assert.deepEqual(told.slept, [100, 200, 400, 100]);
});

test('a refusal ends the subscription', async () => {
    const problem = { type: 'urn:cofferdam:problem:filter', status: 400, title: 'Bad', detail: 'the filter "pattern": it is too complex' };
    const { failure, slept } = await check([[{ type: 'error', id: '1', problem }]], 1);
    assert(failure instanceof CofferdamError);
    assert.deepEqual([failure.code, failure.status, failure.details], ['refused', 400, problem]);
    assert.match(failure.message, /it is too complex/);
    assert.deepEqual(slept, []);
});

test('a reader that does not keep up costs a connection, and no event', async () => {
    const many = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => event(from + at));
    await using there = await host([
        [subscribed, ...many(1, 3_000)],
        [subscribed, ...many(1_001, 2_000)],
    ]);
    const client = new CofferdamClient({ url: there.url, clock: new TestClock(), transport: 'websocket' });
    const errors: string[] = [];
    client.on('error', ({ message }) => errors.push(message));
    const events = client.subscribe('p/t');
    const ids = [(await events.next()).value?.id];
    // The reader is elsewhere until there is more than is kept for it.
    await new Promise((resolve) => there.sockets[0]?.on('close', resolve));
    while (ids.length < 2_000) ids.push((await events.next()).value?.id);
    assert.deepEqual(ids, Array.from({ length: 2_000 }, (_, at) => at + 1));
    assert.deepEqual(errors, ['the reader did not keep up']);
    await client.close();
});

test('an aborted signal ends the iterator and the connection', async () => {
    await using there = await host([[subscribed, event(1)]]);
    const client = new CofferdamClient({ url: there.url, transport: 'websocket' });
    const stop = new AbortController();
    client.on('data-update', () => setImmediate(() => stop.abort()));
    assert.equal((await take(client.subscribe('p/t', { signal: stop.signal }))).length, 1);
    const [socket] = there.sockets;
    if (socket?.readyState !== 3) await new Promise((resolve) => socket?.on('close', resolve));
});
