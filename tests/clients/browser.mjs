// A web page of another origin that talks to the host from a real browser: browser.mjs PORT URL. The page is served at PORT, an origin that
// the host's configuration allows; that it may not be read from another is checked too.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

const [port, url] = process.argv.slice(2);

/** In the page: both eras, with the headers that make a browser ask before it sends them. */
async function inPage(url) {
    const send = (headers, message) => {
        const all = { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream', ...headers };
        return fetch(url, { method: 'POST', headers: all, body: JSON.stringify({ jsonrpc: '2.0', id: 1, ...message }) });
    };
    const clientInfo = { name: 'page', version: '1' };
    const initialize = await send({}, { method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo } });
    const session = initialize.headers.get('mcp-session-id');
    const legacy = { 'Mcp-Session-Id': session, 'MCP-Protocol-Version': '2025-11-25' };
    const ping = await send(legacy, { method: 'ping' });
    const ended = await fetch(url, { method: 'DELETE', headers: legacy });
    const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };
    const modern = { 'MCP-Protocol-Version': '2026-07-28', 'Mcp-Method': 'tools/call', 'Mcp-Name': 'test_simple_text' };
    const call = await send(modern, { method: 'tools/call', params: { _meta, name: 'test_simple_text' } });
    return { session, ping: ping.status, ended: ended.ok, call: await call.text() };
}

const page = (body) => `<!doctype html><script type="module">${inPage}
const done = (what) => fetch('/done', { method: 'POST', body: JSON.stringify(what) });
try { done(await inPage(${JSON.stringify(body)})); } catch (error) { done({ error: String(error) }); }</script>`;

/** What the page at `port` finds out; 0 is any port, and nobody's origin. */
async function browse(port) {
    let done;
    const result = new Promise((resolve) => { done = resolve; });
    const server = createServer(async (request, response) => {
        if (request.url === '/done') done(JSON.parse(await text(request)));
        response.setHeader('Content-Type', 'text/html').end(page(url));
    });
    await new Promise((resolve) => { server.listen(port, '127.0.0.1', resolve); });
    const flags = ['--no-sandbox', '--disable-gpu', `--user-data-dir=${process.env.HOME}/${port}`, '--remote-debugging-port=0'];
    const command = ['--kill-after=1', '30', 'chromium-headless-shell', ...flags, `http://127.0.0.1:${server.address().port}/`];
    // A group of its own, since the browser is many processes.
    const browser = spawn('timeout', command, { stdio: 'ignore', detached: true });
    browser.on('exit', (code) => done({ error: `the browser ended with ${code}` }));
    const found = await result;
    try {
        process.kill(-browser.pid, 'SIGKILL');
    } catch {
        // It is gone already.
    }
    server.closeAllConnections();
    server.close();
    return found;
}

const found = await browse(Number(port));
assert.equal(found.error, undefined);
assert(found.session, 'the page may not read mcp-session-id');
assert.equal(found.ping, 200);
assert.equal(found.ended, true);
assert.match(found.call, /This is a simple text response for testing\./);
assert.match((await browse(0)).error ?? 'read', /Failed to fetch/);
