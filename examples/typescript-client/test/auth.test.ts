// What is sent to show who the client is, by a stand-in of the token endpoint and one of the host that looks only at headers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientCredentials, credentials, type Auth, type ClientCredentialsAuth } from '../src/auth.ts';
import { Http } from '../src/http.ts';
import { TestClock, serve, tokenEndpoint } from './standins.ts';

const clock = () => new TestClock();
const reach = (clock: TestClock) => ({ fetch, clock, timeoutMs: 10_000 });
const granted = (tokenUrl: string): ClientCredentialsAuth => ({ type: 'client-credentials', tokenUrl, clientId: 'me', clientSecret: 's' });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

test('tokens and keys go into their header', async () => {
    const check = async (auth: Auth | undefined, expected: Record<string, string>) =>
        assert.deepEqual(await credentials(auth, reach(clock())).headers(), expected);
    await check(undefined, {});
    await check({ type: 'bearer', token: 'abc' }, bearer('abc'));
    await check({ type: 'bearer', token: async () => 'fresh' }, bearer('fresh'));
    await check({ type: 'api-key', key: 'k' }, { 'x-api-key': 'k' });
    await check({ type: 'api-key', key: 'k', header: 'X-Other' }, { 'x-other': 'k' });
});

test('client credentials are sent as RFC 6749 says', async () => {
    await using endpoint = await tokenEndpoint();
    const ask = (more: Partial<ClientCredentialsAuth>) => new ClientCredentials({ ...granted(endpoint.url), ...more }, reach(clock())).headers();
    await ask({ clientId: 'a b', clientSecret: 'p:%é', scope: 'read write', resource: 'https://host.example/mcp' });
    await ask({ secretIn: 'body' });
    const grant_type = 'client_credentials';
    assert.deepEqual(endpoint.asked, [
        {
            form: { grant_type, scope: 'read write', resource: 'https://host.example/mcp' },
            authorization: `Basic ${btoa('a+b:p%3A%25%C3%A9')}`,
        },
        { form: { grant_type, client_id: 'me', client_secret: 's' }, authorization: undefined },
    ]);
});

test('one token serves many requests, and is asked for once', async () => {
    await using endpoint = await tokenEndpoint();
    const own = new ClientCredentials(granted(endpoint.url), reach(clock()));
    const all = await Promise.all(Array.from({ length: 20 }, () => own.headers()));
    assert.deepEqual(all, all.map(() => bearer('token-1')));
    assert.deepEqual(await own.headers(), bearer('token-1'));
    assert.equal(endpoint.asked.length, 1);
});

test('a token is renewed before it expires, while the old one serves', async () => {
    await using endpoint = await tokenEndpoint();
    endpoint.life = 100;
    const time = clock();
    const own = new ClientCredentials(granted(endpoint.url), reach(time));
    await own.headers();
    time.ms += 69_999;
    assert.deepEqual(await own.headers(), bearer('token-1'));
    assert.equal(endpoint.asked.length, 1);
    time.ms += 1;
    // Nobody waits for the next one.
    assert.deepEqual(await own.headers(), bearer('token-1'));
    while ((await own.headers()).authorization === 'Bearer token-1') await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(await own.headers(), bearer('token-2'));
    assert.equal(endpoint.asked.length, 2);
    // It is renewed in time even if an endpoint gives out tokens that live for less than the margin.
    time.ms += 100_000;
    endpoint.life = 10;
    assert.deepEqual(await own.headers(), bearer('token-3'));
    time.ms += 4_999;
    await own.headers();
    assert.equal(endpoint.asked.length, 3);
});

test('a token endpoint that is down hurts only when the token has expired', async () => {
    await using endpoint = await tokenEndpoint();
    endpoint.life = 100;
    const time = clock();
    const own = new ClientCredentials(granted(endpoint.url), reach(time));
    await own.headers();
    endpoint.statuses = [503, 503, 401];
    time.ms += 90_000;
    assert.deepEqual(await own.headers(), bearer('token-1'));
    while (endpoint.statuses.length === 3) await new Promise((resolve) => setImmediate(resolve));
    time.ms += 10_000;
    const failure = (code: string) => (error: unknown) => {
        assert.equal((error as { code: string }).code, code);
        return true;
    };
    while (endpoint.statuses.length > 1) await assert.rejects(own.headers(), failure('busy'));
    await assert.rejects(own.headers(), /answered 401: invalid_client: who\?/);
    assert.match((await own.headers()).authorization ?? '', /^Bearer token-/);
});

test('a refused token is thrown away, once for all who used it', async () => {
    await using endpoint = await tokenEndpoint();
    let good = 'Bearer token-2';
    await using host = await serve((incoming, outgoing) => {
        outgoing.writeHead(incoming.headers.authorization === good ? 200 : 401).end();
    });
    const time = clock();
    const http = new Http(fetch, new ClientCredentials(granted(endpoint.url), reach(time)), time);
    const answers = await Promise.all([http.send(host.url), http.send(host.url), http.send(host.url)]);
    assert.deepEqual(answers.map((each) => each.status), [200, 200, 200]);
    assert.equal(endpoint.asked.length, 2);
    // It is not asked for ever: the second refusal is one.
    good = 'Bearer none';
    await assert.rejects(http.send(host.url), /the host answered 401/);
    assert.equal(endpoint.asked.length, 3);
});

test('a credential does not follow a redirect', async () => {
    let elsewhere = 0;
    await using other = await serve((_, outgoing) => {
        elsewhere++;
        outgoing.end();
    });
    await using host = await serve((_, outgoing) => outgoing.writeHead(307, { location: other.url }).end());
    const time = clock();
    const http = new Http(fetch, credentials({ type: 'api-key', key: 'k' }, reach(time)), time);
    await assert.rejects(http.send(host.url, { method: 'POST', body: '{}' }), /redirect/);
    assert.equal(elsewhere, 0);
});
