// What stands in for others: a token endpoint, a gateway before the host that misbehaves as it is told, and time.
import { createServer, request, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Clock } from '../src/clock.ts';

/** Something that listens on a port of its own until the test is over. */
export interface StandIn {
    url: string;
    [Symbol.asyncDispose](): Promise<void>;
}

async function listen(server: Server): Promise<StandIn> {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    return {
        url: `http://127.0.0.1:${port}`,
        async [Symbol.asyncDispose]() {
            server.closeAllConnections();
            await new Promise((resolve) => server.close(resolve));
        },
    };
}

export const serve = (answer: RequestListener): Promise<StandIn> => listen(createServer(answer));

export interface TokenEndpoint extends StandIn {
    /** The forms that were sent, with the `Authorization` that came with each. */
    asked: { form: Record<string, string>; authorization: string | undefined }[];
    /** The statuses of the next answers; 200 when there is none. */
    statuses: number[];
    /** How long tokens live, in seconds. */
    life: number;
}

/** Gives out `token-1`, `token-2`, and so on. */
export async function tokenEndpoint(): Promise<TokenEndpoint> {
    const asked: TokenEndpoint['asked'] = [];
    let given = 0;
    const standIn = await serve(async (incoming, outgoing) => {
        const form = Object.fromEntries(new URLSearchParams(await text(incoming)));
        asked.push({ form, authorization: incoming.headers.authorization });
        const status = endpoint.statuses.shift() ?? 200;
        const token = { access_token: `token-${++given}`, token_type: 'Bearer', expires_in: endpoint.life };
        const body = status === 200 ? token : { error: 'invalid_client', error_description: 'who?' };
        outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    const endpoint: TokenEndpoint = { ...standIn, asked, statuses: [], life: 3600 };
    return endpoint;
}

/** What happens to a request before the host sees it, or after it has answered. */
export type Mishap = 'reset' | 'reset-after' | { status: number; headers?: Record<string, string>; body?: string };

export interface Gateway extends StandIn {
    /** What happens to the next requests; they pass when there is nothing, or `undefined`. */
    mishaps: (Mishap | undefined)[];
    /** Lets nothing through at all. */
    down: boolean;
    /** The requests that came, whatever became of them. */
    seen: { path: string; headers: IncomingMessage['headers']; body: string }[];
    /** Cuts every connection. */
    cut(): void;
}

/** Stands before a host, WebSockets included. */
export async function gateway(host: string): Promise<Gateway> {
    const target = new URL(host);
    const sockets = new Set<Socket>();
    const seen: Gateway['seen'] = [];

    const forward = (incoming: IncomingMessage, body: string, answered: (from: IncomingMessage) => void, failed: () => void) => {
        const options = { host: target.hostname, port: target.port, path: incoming.url, method: incoming.method, agent: false };
        request({ ...options, headers: { ...incoming.headers, host: target.host } }, answered).on('error', failed).end(body);
    };
    const answer = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
        const body = await text(incoming).catch(() => '');
        seen.push({ path: incoming.url ?? '', headers: incoming.headers, body });
        const mishap = self.down ? 'reset' : self.mishaps.shift();
        const reset = () => void incoming.socket.destroy();
        if (mishap === 'reset') return reset();
        if (typeof mishap === 'object') return void outgoing.writeHead(mishap.status, mishap.headers).end(mishap.body);
        const passOn = (from: IncomingMessage) => {
            outgoing.on('close', () => from.destroy());
            outgoing.writeHead(from.statusCode ?? 502, from.headers);
            outgoing.flushHeaders();
            from.on('error', reset).pipe(outgoing);
        };
        forward(incoming, body, mishap === 'reset-after' ? (from) => from.resume().on('end', reset) : passOn, reset);
    };
    const upgrade = (incoming: IncomingMessage, socket: Socket, head: Buffer): void => {
        seen.push({ path: incoming.url ?? '', headers: incoming.headers, body: '' });
        if (self.down || self.mishaps.shift()) return void socket.destroy();
        const onward = connect(Number(target.port), target.hostname);
        const lines = Object.entries({ ...incoming.headers, host: target.host }).map(([name, value]) => `${name}: ${String(value)}\r\n`);
        onward.write(`GET ${incoming.url} HTTP/1.1\r\n${lines.join('')}\r\n`);
        onward.write(head);
        onward.on('error', () => socket.destroy()).on('close', () => socket.destroy());
        socket.on('error', () => onward.destroy()).on('close', () => onward.destroy());
        onward.pipe(socket).pipe(onward);
    };
    const server = createServer((incoming, outgoing) => void answer(incoming, outgoing)).on('upgrade', upgrade);
    server.on('connection', (socket) => sockets.add(socket.on('close', () => sockets.delete(socket))));
    const cut = () => sockets.forEach((socket) => socket.destroy());
    const { url, [Symbol.asyncDispose]: end } = await listen(server);
    const dispose = async () => {
        cut();
        await end();
    };
    const self: Gateway = { url: url + target.pathname, mishaps: [], down: false, seen, cut, [Symbol.asyncDispose]: dispose };
    return self;
}

/** Time that passes only when somebody sleeps, or when it is told to. */
export class TestClock implements Clock {
    ms = Date.UTC(2026, 0, 1);
    /** How long was slept, each time. */
    slept: number[] = [];

    now(): number {
        return this.ms;
    }

    async sleep(ms: number, signal?: AbortSignal): Promise<void> {
        signal?.throwIfAborted();
        this.slept.push(ms);
        this.ms += ms;
        // The rest of the program gets its turn, as it would.
        await new Promise((resolve) => setImmediate(resolve));
    }
}

/** What an iterator brings: so many, or all until it is done. */
export async function take<T>(from: AsyncIterable<T>, count = Infinity): Promise<T[]> {
    const taken: T[] = [];
    for await (const each of from) {
        taken.push(each);
        if (taken.length >= count) break;
    }
    return taken;
}
