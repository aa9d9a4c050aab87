// A web page in a real browser that gets events by EventSource and WebSocket: streams.mjs PORT BASE. The page is served at PORT, an origin
// that the host's configuration allows. Between the page's EventSource and the host is a relay whose connections can be cut.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { connect, createServer as createRelay } from 'node:net';
import { text } from 'node:stream/consumers';

const [port, base] = process.argv.slice(2);

/** In the page. */
async function inPage(base, relay) {
    const seen = (list, count) => new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`${list.length} of ${count}: ${JSON.stringify(list)}`)), 20_000);
        const look = () => (list.length < count ? setTimeout(look, 5) : (clearTimeout(late), resolve(list)));
        look();
    });
    const edit = async (text, line) => {
        const body = JSON.stringify({ target: 'edit', data: { text, line } });
        const answer = await fetch(`${base}/mcp/update`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
        if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
    };
    const filters = (filters) => `filters=${encodeURIComponent(JSON.stringify(filters))}`;

    // An EventSource, whose connection is cut: it comes back by itself and says how far it got.
    const source = new EventSource(`${relay}/mcp/stream/herald/edits?${filters({ pattern: '^keep' })}`);
    const events = [];
    source.onmessage = (event) => events.push({ id: event.lastEventId, ...JSON.parse(event.data) });
    await new Promise((resolve, reject) => { source.onopen = resolve; source.onerror = reject; });
    let errors = 0;
    source.onerror = () => { errors += 1; };
    await edit('keep 1', 1);
    await edit('drop', 2);
    await edit('keep 2', 3);
    await seen(events, 2);
    await fetch('/cut', { method: 'POST' });
    await edit('keep while away', 4);
    await seen(events, 3);
    await edit('keep 3', 5);
    await seen(events, 4);
    const ready = source.readyState;
    source.close();

    // What is wrong with a stream ends it for good.
    const wrong = new EventSource(`${base}/mcp/stream/herald/nothing`);
    await new Promise((resolve) => { wrong.onerror = resolve; });

    // A WebSocket: subscriptions under two filters, a call, and MCP.
    const socket = new WebSocket(`${base.replace(/^http/, 'ws')}/mcp/ws`);
    const messages = [];
    socket.onmessage = (message) => messages.push(JSON.parse(message.data));
    await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
    const send = (message) => socket.send(JSON.stringify(message));
    const of = async (type, id, count = 1) => {
        const found = () => messages.filter((message) => message.type === type && message.id === id);
        const list = { get length() { return found().length; } };
        await seen(list, count);
        return found();
    };
    send({ type: 'subscribe', id: 'seven', topic: 'herald/edits', filters: { line: [7, 8] } });
    send({ type: 'subscribe', id: 'again', topic: 'herald/edits', filters: { line: 3 }, after: Number(events[0].id) });
    await of('subscribed', 'seven');
    const replayed = await of('event', 'again');
    send({ type: 'update', id: 'u', target: 'edit', data: { text: 'over the socket', line: 7 } });
    const [result] = await of('result', 'u');
    await edit('not for it', 9);
    await edit('for it', 8);
    const live = await of('event', 'seven', 2);
    send({ type: 'update', id: 'wrong', target: 'edit', data: { line: 'x' } });
    const [refused] = await of('error', 'wrong');
    const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };
    send({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta } });
    const answers = { get length() { return messages.filter((message) => message.jsonrpc).length; } };
    await seen(answers, 1);
    const [tools] = messages.filter((message) => message.jsonrpc);
    const closed = new Promise((resolve) => { socket.onclose = resolve; });
    socket.close(1000);
    const { code, wasClean } = await closed;
    return {
        events, errors, ready, wrong: wrong.readyState, replayed, result, live, refused: refused.problem.status,
        tools: tools.result.tools.map((tool) => tool.name), code, wasClean,
    };
}

const page = (...given) => `<!doctype html><script type="module">${inPage}
const done = (what) => fetch('/done', { method: 'POST', body: JSON.stringify(what) });
try { done(await inPage(...${JSON.stringify(given)})); } catch (error) { done({ error: String(error.stack ?? error.type ?? error) }); }</script>`;

const { hostname, port: hostPort } = new URL(base);
const relayed = new Set();
const relay = createRelay((client) => {
    const upstream = connect(Number(hostPort), hostname);
    for (const [one, other] of [[client, upstream], [upstream, client]]) {
        one.on('error', () => other.destroy()).on('close', () => other.destroy());
        one.pipe(other);
    }
    relayed.add(client);
});
await new Promise((resolve) => { relay.listen(0, '127.0.0.1', resolve); });

let done;
const result = new Promise((resolve) => { done = resolve; });
const server = createServer(async (request, response) => {
    if (request.url === '/done') done(JSON.parse(await text(request)));
    if (request.url === '/cut') relayed.forEach((client) => client.destroy());
    response.setHeader('Content-Type', 'text/html').end(page(base, `http://127.0.0.1:${relay.address().port}`));
});
await new Promise((resolve) => { server.listen(Number(port), '127.0.0.1', resolve); });
const flags = ['--no-sandbox', '--disable-gpu', `--user-data-dir=${process.env.HOME}/${port}`, '--remote-debugging-port=0'];
const command = ['--kill-after=1', '60', 'chromium-headless-shell', ...flags, `http://127.0.0.1:${port}/`];
// A group of its own, since the browser is many processes.
const browser = spawn('timeout', command, { stdio: 'ignore', detached: true });
browser.on('exit', (code) => done({ error: `the browser ended with ${code}` }));
const found = await result;
try {
    process.kill(-browser.pid, 'SIGKILL');
} catch {
    // It is gone already.
}
relayed.forEach((client) => client.destroy());
relay.close();
server.closeAllConnections();
server.close();

assert.equal(found.error, undefined);
assert.deepEqual(found.events.map((event) => event.data.text), ['keep 1', 'keep 2', 'keep while away', 'keep 3']);
assert(found.events.every((event, n) => event.topic === 'herald/edits' && (n === 0 || Number(event.id) > Number(found.events[n - 1].id))));
assert(found.errors >= 1 && found.ready === 1, `it did not come back: ${found.errors} ${found.ready}`);
assert.equal(found.wrong, 2);
assert.deepEqual(found.replayed.map((message) => message.event.data.text), ['keep 2']);
assert.equal(found.result.status, 'ok');
assert.deepEqual(found.live.map((message) => message.event.data.text), ['over the socket', 'for it']);
assert.equal(found.refused, 422);
assert(found.tools.includes('edit'), found.tools);
assert.deepEqual([found.code, found.wasClean], [1000, true]);
