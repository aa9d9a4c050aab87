// Subscriptions to a real host and its plugin `rooms`, through a gateway that cuts connections.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startHost, until, type Host } from '../../../tests/examples/host.mts';
import { CofferdamClient, type CofferdamError, type SubscribeOptions, type TopicEvent } from '../src/index.ts';
import { gateway, take } from './standins.ts';

const PLUGINS = { plugins: { rooms: undefined }, settings: '[keyvalue]\nstore = "memory"\n' };
let host: Host;
before(async () => {
    host = await startHost(PLUGINS);
});
after(() => host.stop());

const TRANSPORTS = ['sse', 'websocket'] as const;
let rooms = 0;

/** A room of its own, with a client that subscribes to it behind a gateway, and one that changes something in it. */
async function room(transport: (typeof TRANSPORTS)[number]) {
    const id = `room-${++rooms}`;
    const topic = `rooms/collaboration/${id}`;
    const before = await gateway(host.url);
    const reader = new CofferdamClient({ url: before.url, transport, retry: { baseMs: 10 } });
    const writer = new CofferdamClient({ url: host.url });
    const [statuses, errors]: [string[], CofferdamError[]] = [[], []];
    reader.on('connection-status', ({ status }) => statuses.push(status));
    reader.on('error', (error) => errors.push(error));
    await writer.update('rooms_join', { id, user: 'ada' });
    const move = (position: number) => writer.update('rooms_cursor_move', { id, user: 'ada', position, revision: 0 });
    const subscribe = (options: SubscribeOptions = {}) => {
        const events = reader.subscribe(topic, options);
        // Nothing is asked of the host before the first event is.
        const first = events.next();
        const next = async (): Promise<TopicEvent> => (await events.next()).value ?? assert.fail('it ended');
        return { events, first: async () => (await first).value ?? assert.fail('it ended'), next };
    };
    const connected = (times: number) => until(() => statuses.filter((status) => status === 'connected').length >= times);
    const end = async () => {
        await reader.close();
        await writer.close();
        await before[Symbol.asyncDispose]();
    };
    return { topic, id, gateway: before, reader, writer, statuses, errors, move, subscribe, connected, [Symbol.asyncDispose]: end };
}

const position = ({ data }: TopicEvent) => (data as { position: number }).position;

for (const transport of TRANSPORTS) {
    test(`an update reaches subscribers (${transport})`, async () => {
        await using here = await room(transport);
        const { first, next } = here.subscribe();
        await here.connected(1);
        await here.move(1);
        const event = await first();
        assert.equal(event.topic, here.topic);
        assert.equal(position(event), 1);
        assert(Math.abs(Date.parse(event.time) - Date.now()) < 60_000);
        await here.move(2);
        const second = await next();
        assert.equal(position(second), 2);
        assert(second.id > event.id);
    });

    test(`a cut connection costs no event (${transport})`, async () => {
        await using here = await room(transport);
        const { first, next } = here.subscribe();
        await here.connected(1);
        await here.move(1);
        await first();
        for (let at = 2; at < 8; at += 2) {
            here.gateway.down = true;
            here.gateway.cut();
            await here.move(at);
            here.gateway.down = false;
            assert.equal(position(await next()), at);
            await here.move(at + 1);
            assert.equal(position(await next()), at + 1);
        }
        assert.deepEqual(new Set(here.errors.map(({ code }) => code)), new Set(['unreachable']));
    });

    test(`filters are the host's work (${transport})`, async () => {
        await using here = await room(transport);
        const { first, next } = here.subscribe({ filters: { event_types: ['cursor_move'], position: [2, 4] } });
        await here.connected(1);
        for (const at of [1, 2, 3, 4]) await here.move(at);
        assert.deepEqual([position(await first()), position(await next())], [2, 4]);
        const bad = here.reader.subscribe(here.topic, { filters: { pattern: '(' } }).next();
        await assert.rejects(bad, (error: CofferdamError) => error.code === 'refused' && error.status === 400 && /pattern/.test(error.message));
        const unknown = here.reader.subscribe('rooms/nothing').next();
        await assert.rejects(unknown, (error: CofferdamError) => error.code === 'refused' && error.status === 404);
    });

    test(`what was retained is replayed (${transport})`, async () => {
        await using here = await room(transport);
        const { first, next } = here.subscribe();
        await here.connected(1);
        for (const at of [1, 2, 3]) await here.move(at);
        const ids = [(await first()).id, (await next()).id, (await next()).id];
        const again = await take(here.reader.subscribe(here.topic, { after: ids[0] ?? 0 }), 2);
        assert.deepEqual(again.map(({ id }) => id), ids.slice(1));
    });

    test(`a host that is started anew is found again (${transport})`, async () => {
        const first = await startHost(PLUGINS);
        let second: Host | undefined;
        const client = new CofferdamClient({ url: first.url, transport, retry: { baseMs: 100, ceilingMs: 1_000 } });
        const [statuses, errors]: [string[], string[]] = [[], []];
        client.on('connection-status', ({ of, status }) => of !== 'calls' && statuses.push(status));
        client.on('error', ({ message }) => errors.push(message));
        const move = async (position: number) => {
            await client.update('rooms_join', { id: 'r', user: 'ada' });
            await client.update('rooms_cursor_move', { id: 'r', user: 'ada', position, revision: 0 });
        };
        const seen = async (events: AsyncGenerator<TopicEvent>, event: Promise<IteratorResult<TopicEvent>>) => {
            let { value } = await event;
            while (value.type !== 'cursor_move') ({ value } = await events.next());
            return position(value);
        };
        try {
            const events = client.subscribe('rooms/collaboration/r');
            const one = events.next();
            await until(() => statuses.includes('connected'));
            await move(1);
            assert.equal(await seen(events, one), 1);

            const two = events.next();
            await first.stop('SIGTERM');
            await until(() => statuses.at(-1) === 'reconnecting');
            assert.equal(errors[0], 'the host stops');
            second = await startHost({ ...PLUGINS, port: Number(new URL(first.url).port) });
            await until(() => statuses.at(-1) === 'connected');
            await move(2);
            assert.equal(await seen(events, two), 2);
        } finally {
            await client.close();
            await first.stop();
            await second?.stop();
        }
    });
}
