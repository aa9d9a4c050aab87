// The built client in a real browser, on a page of another origin, with nothing but an import map.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { root, startHost, temporaryFolder } from '../../../tests/examples/host.mts';
import type { CofferdamClient } from '../src/index.ts';

const BROWSER = 'chromium-headless-shell';
const folder = new URL('..', import.meta.url);
const installed = process.env.PATH?.split(':').some((path) => {
    try {
        execFileSync(`${path}/${BROWSER}`, ['--version'], { stdio: 'ignore' });
        return true;
    } catch {
        return false;
    }
});

/** Where a browser finds what the client imports by name. */
function importMap(): string {
    const names = [
        '@modelcontextprotocol/client',
        '@modelcontextprotocol/client/_shims',
        '@modelcontextprotocol/core/internal',
        'eventsource',
        'eventsource-parser',
        'eventsource-parser/stream',
        'pkce-challenge',
        'zod/v4',
    ];
    const resolve = `console.log(JSON.stringify(${JSON.stringify(names)}.map((name) => import.meta.resolve(name))))`;
    const args = ['--conditions=browser', '--input-type=module', '--eval', resolve];
    const urls = JSON.parse(execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8' })) as string[];
    const imports = Object.fromEntries(names.map((name, at) => [name, `/${urls[at]?.slice(folder.href.length)}`]));
    return JSON.stringify({ imports: { ...imports, '@cofferdam/client': '/dist/index.js' } });
}

type Found = { error?: string; rows: unknown; stale: boolean; failure: string; statuses: string[]; streams: Record<string, string> };

/** Runs in the page. */
async function inPage(Client: typeof CofferdamClient, url: string): Promise<Found> {
    const client = new Client({ url, auth: { type: 'bearer', token: 'abc' } });
    const statuses: string[] = [];
    client.on('connection-status', ({ status }) => statuses.push(status));
    const { result, stale } = await client.query<{ rows: unknown }>('database_query', { sql: 'SELECT count(*) AS n FROM customers' });
    const failure = (await client.update('database_execute', { sql: 'DELETE FROM nosuch' }).catch((error: Error) => error)) as Error;
    // What is refused is refused in words, over either transport.
    const streams: Record<string, string> = {};
    for (const transport of ['sse', 'websocket'] as const) {
        const open = new Client({ url });
        const refused = await open.subscribe('database/nothing', { transport }).next().catch((error: Error) => error);
        streams[transport] = (refused as Error).message;
    }
    await client.close();
    return { rows: result.rows, stale, failure: failure.message, statuses, streams };
}

test('a page can do what a program can', { skip: installed ? false : `${BROWSER} is not installed` }, async () => {
    let url = '';
    let done: (found: Found | { error: string }) => void;
    const result = new Promise<Found | { error: string }>((resolve) => (done = resolve));
    const map = importMap();
    const page = () => `<!doctype html><script type="importmap">${map}</script><script type="module">
${inPage}
const done = (what) => fetch('/done', { method: 'POST', body: JSON.stringify(what) });
try {
    const { CofferdamClient } = await import('@cofferdam/client');
    done(await inPage(CofferdamClient, ${JSON.stringify(url)}));
} catch (error) {
    done({ error: String(error.stack) });
}</script>`;
    const serve = async (path: string, outgoing: ServerResponse) => {
        if (path === '/') return outgoing.setHeader('content-type', 'text/html').end(page());
        const file = await readFile(new URL(`.${path}`, folder)).catch(() => undefined);
        return outgoing.writeHead(file ? 200 : 404, { 'content-type': 'text/javascript' }).end(file);
    };
    const server = createServer(async (incoming, outgoing) => {
        if (incoming.url !== '/done') return void (await serve(incoming.url ?? '/', outgoing));
        done(JSON.parse(await text(incoming)) as Found);
        outgoing.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const shop = `[databases.main]\nengine = "sqlite"\npath = "shop.db"\ninit = ${JSON.stringify(fileURLToPath(new URL('examples/data/shop.sql', `file://${root}`)))}\n`;
    const host = await startHost({ plugins: { database: undefined }, settings: `[http]\nallowed_origins = ["${origin}"]\n${shop}` });
    url = host.url;
    const home = await temporaryFolder();
    const flags = ['--no-sandbox', '--disable-gpu', `--user-data-dir=${home}`, '--remote-debugging-port=0'];
    // A group of its own, since the browser is many processes.
    const browser = spawn('timeout', ['--kill-after=1', '30', BROWSER, ...flags, `${origin}/`], { stdio: 'ignore', detached: true });
    browser.on('exit', (code) => done({ error: `the browser ended with ${code}` }));
    try {
        const found = (await result) as Found;
        assert.equal(found.error, undefined);
        assert.deepEqual([found.rows, found.stale], [[{ n: 500 }], false]);
        assert.match(found.failure, /no such table/);
        assert.deepEqual(found.statuses, ['connecting', 'connected', 'disconnected']);
        for (const refused of Object.values(found.streams)) assert.match(refused, /the host answered 404/);
    } finally {
        try {
            process.kill(-(browser.pid ?? NaN), 'SIGKILL');
        } catch {
            // It is gone already.
        }
        server.closeAllConnections();
        server.close();
        await host.stop();
        await rm(home, { recursive: true, force: true, maxRetries: 10 });
    }
});
