// Calls to a real host, through a gateway that misbehaves as it is told.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root, startHost, type Host } from '../../../tests/examples/host.mts';
import { CofferdamClient, CofferdamError, type ClientOptions } from '../src/index.ts';
import { TestClock, gateway, tokenEndpoint, type Gateway, type Mishap } from './standins.ts';

let host: Host;
before(async () => {
    const settings = `[databases.main]\nengine = "sqlite"\npath = "shop.db"\ninit = ${JSON.stringify(join(root, 'examples/data/shop.sql'))}\n`;
    host = await startHost({ plugins: { database: undefined, notes: undefined }, settings });
});
after(() => host.stop());

const COUNT = { sql: 'SELECT count(*) AS n FROM customers' };
type Rows = { rows: { n: number }[] };

/** A client behind a gateway, with what it tells. */
async function behindGateway(options: Partial<ClientOptions> = {}) {
    const before = await gateway(host.url);
    const clock = new TestClock();
    const client = new CofferdamClient({ url: before.url, clock, timeoutMs: 5_000, retry: { random: () => 0.5 }, ...options });
    const [errors, statuses]: [string[], string[]] = [[], []];
    client.on('error', (error) => errors.push(error.code));
    client.on('connection-status', ({ status }) => statuses.push(status));
    const end = async () => {
        await client.close();
        await before[Symbol.asyncDispose]();
    };
    return { client, gateway: before, clock, errors, statuses, [Symbol.asyncDispose]: end };
}

const calls = ({ seen }: Gateway) => seen.filter(({ body }) => body.includes('"tools/call"')).length;
const failsWith = (code: string, words: RegExp) => (error: unknown) => {
    assert(error instanceof CofferdamError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, words);
    return true;
};

test('queries and updates are answered', async () => {
    const client = new CofferdamClient({ url: host.url });
    const { result, stale, content, timestamp } = await client.query<Rows>('database_query', COUNT);
    assert.deepEqual(result.rows, [{ n: 500 }]);
    assert.equal(stale, false);
    assert.equal(content[0]?.type, 'text');
    assert(Math.abs(Date.parse(timestamp) - Date.now()) < 60_000);

    const sql = 'UPDATE products SET stock = stock + 1 WHERE sku = ?';
    const changed = await client.update<{ rows_affected: number }>('database_execute', { sql, parameters: ['P0001'] });
    assert.equal(changed.result.rows_affected, 1);
    await client.close();
    await assert.rejects(client.query('database_query', COUNT), failsWith('closed', /closed/));
});

test('data can be checked by a schema before the handler sees it', async () => {
    await using here = await behindGateway();
    const validation = { type: 'object', properties: { sql: { pattern: '^UPDATE ' } } };
    const execute = (sql: string) => here.client.update<{ rows_affected: number }>('database_execute', { sql }, { validation });
    assert.equal((await execute("UPDATE products SET stock = 7 WHERE sku = 'P0002'")).result.rows_affected, 1);
    await assert.rejects(execute('DELETE FROM products'), failsWith('refused', /sql|pattern/));
    await assert.rejects(execute('UPDATE nosuch SET a = 1'), failsWith('refused', /no such table/));
    // A refusal to begin is waited out, whatever else happens is not.
    here.gateway.mishaps = [{ status: 503 }, { status: 429 }];
    await execute('UPDATE products SET stock = 7 WHERE 0');
    assert.deepEqual(here.clock.slept, [100, 200]);
    const unavailable = { type: 'urn:cofferdam:problem:unavailable', status: 503, detail: 'the database does not answer' };
    const headers = { 'content-type': 'application/problem+json' };
    here.gateway.mishaps = [{ status: 503, headers, body: JSON.stringify(unavailable) }];
    await assert.rejects(execute('UPDATE products SET stock = 7 WHERE 0'), failsWith('failed', /does not answer/));
    here.gateway.mishaps = ['reset'];
    await assert.rejects(execute('UPDATE products SET stock = 7 WHERE 0'), failsWith('unreachable', /./));
});

test('failures say whose they are', async () => {
    const client = new CofferdamClient({ url: host.url });
    await assert.rejects(client.query('database_query', { sql: 'SELECT nosuch' }), failsWith('failed', /no such column/));
    await assert.rejects(client.query('database_query', { sql: 1 }), CofferdamError);
    await assert.rejects(client.query('database_nothing'), failsWith('refused', /database_nothing/));
    await client.close();
});

test('many calls at once share one connection', async () => {
    await using here = await behindGateway();
    const answers = await Promise.all(Array.from({ length: 20 }, () => here.client.query<Rows>('database_query', COUNT)));
    assert(answers.every(({ result }) => result.rows[0]?.n === 500));
    assert.equal(here.gateway.seen.filter(({ body }) => body.includes('server/discover')).length, 1);
    assert.deepEqual(here.statuses, ['connecting', 'connected']);
});

test('a query survives what happens on the way', async () => {
    const check = async (mishaps: Mishap[], slept: number[]) => {
        await using here = await behindGateway();
        await here.client.query('database_query', COUNT);
        here.gateway.mishaps = [...mishaps];
        const { stale } = await here.client.query<Rows>('database_query', COUNT);
        assert.equal(stale, false);
        assert.deepEqual(here.clock.slept, slept);
        assert.deepEqual(here.errors, []);
        assert.deepEqual(here.statuses, ['connecting', 'connected', 'reconnecting', 'connected']);
    };
    await check(['reset'], [100]);
    await check(['reset-after', 'reset'], [100, 200]);
    await check([{ status: 503, headers: { 'retry-after': '3' } }, { status: 429 }, { status: 502, body: '<html>' }], [3_100, 200, 400]);
});

test('so does connecting', async () => {
    await using here = await behindGateway();
    here.gateway.mishaps = ['reset', { status: 503 }];
    assert.equal((await here.client.query<Rows>('database_query', COUNT)).result.rows[0]?.n, 500);
    assert.deepEqual(here.clock.slept, [100, 200]);
});

test('an update is done once, whatever happens on the way', async () => {
    await using here = await behindGateway();
    const id = 901;
    const add = (id: number) => {
        const sql = "INSERT INTO categories (id, name) VALUES (?, 'new ' || ?)";
        return here.client.update('database_execute', { sql, parameters: [id, id] });
    };
    const count = async () => (await here.client.query<Rows>('database_query', { sql: 'SELECT count(*) AS n FROM categories' })).result.rows[0]?.n;
    const before = (await count()) ?? 0;

    here.gateway.mishaps = [{ status: 503, headers: { 'retry-after': '1' } }, { status: 429 }];
    await add(id);
    assert.deepEqual(here.clock.slept, [1_100, 200]);
    assert.equal(await count(), before + 1);

    // Nobody knows whether these were done: the first two were not, the third was.
    const sent = calls(here.gateway);
    for (const mishap of ['reset', { status: 504 }, 'reset-after'] satisfies Mishap[]) {
        here.gateway.mishaps = [mishap];
        await assert.rejects(add(id + 1), failsWith('unreachable', /./));
    }
    assert.equal(calls(here.gateway), sent + 3);
    assert.equal(await count(), before + 2);
});

test('while the host cannot be reached, the last answer serves, for a while', async () => {
    await using here = await behindGateway({ fallback: { ageMaxMs: 60_000 } });
    const fresh = await here.client.query<Rows>('database_query', COUNT);
    here.gateway.down = true;
    const old = await here.client.query<Rows>('database_query', { ...COUNT });
    assert.deepEqual(old, { ...fresh, stale: true });
    assert.deepEqual(here.errors, ['unreachable']);
    assert.equal(here.statuses.at(-1), 'disconnected');
    // There is nothing to fall back to for another query, for an update, and when the answer has become too old.
    await assert.rejects(here.client.query('database_query', { sql: 'SELECT 1' }), failsWith('unreachable', /cannot be reached/));
    await assert.rejects(here.client.update('database_query', COUNT), failsWith('unreachable', /cannot be reached/));
    here.clock.ms += 60_000;
    await assert.rejects(here.client.query('database_query', COUNT), failsWith('unreachable', /cannot be reached/));

    here.gateway.down = false;
    assert.equal((await here.client.query<Rows>('database_query', COUNT)).stale, false);
    assert.equal(here.statuses.at(-1), 'connected');
});

test('a failed handler is no reason for an old answer', async () => {
    await using here = await behindGateway();
    const drop = { sql: 'SELECT * FROM passing' };
    await here.client.update('database_execute', { sql: 'CREATE TABLE passing (id)' });
    await here.client.query('database_query', drop);
    await here.client.update('database_execute', { sql: 'DROP TABLE passing' });
    await assert.rejects(here.client.query('database_query', drop), failsWith('failed', /no such table/));
});

test('callers give up when they want to', async () => {
    await using here = await behindGateway();
    await here.client.query('database_query', COUNT);
    const forever = { sql: 'WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS n FROM n' };
    const signal = AbortSignal.timeout(50);
    await assert.rejects(here.client.query('database_query', forever, { signal }), { name: 'TimeoutError' });
    assert.equal(calls(here.gateway), 2);
    const { client } = here;
    await assert.rejects(client.query('database_query', COUNT, { signal: AbortSignal.abort(new Error('no')) }), /no/);
});

test('every request shows who the client is, and a new token when the old one is refused', async () => {
    await using endpoint = await tokenEndpoint();
    const { url } = endpoint;
    await using here = await behindGateway({ auth: { type: 'client-credentials', tokenUrl: url, clientId: 'me', clientSecret: 'secret' } });
    await here.client.query('database_query', COUNT);
    here.gateway.mishaps = [{ status: 401 }];
    await here.client.update('database_execute', { sql: 'UPDATE products SET stock = 1 WHERE 0' });
    const tokens = here.gateway.seen.map(({ headers }) => headers.authorization?.replace('Bearer ', ''));
    assert.deepEqual(tokens, ['token-1', 'token-1', 'token-1', 'token-2']);
    assert.deepEqual(here.clock.slept, []);
    here.gateway.mishaps = [{ status: 401 }, { status: 403 }];
    await assert.rejects(here.client.query('database_query', COUNT), failsWith('unauthorized', /403/));
});
