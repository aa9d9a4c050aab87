import { CofferdamError } from './errors.ts';
import type { TopicEvent } from './events.ts';
import { problemError, type Http, type Problem } from './http.ts';
import { reasonOf } from './sse.ts';
import { Silence, type Filters, type Message, type Notice, type Source } from './subscription.ts';

/** Events that wait for a reader over a WebSocket. With more, the connection is given up, and made anew when the reader has caught up. */
const WAITING_MAX = 1_024;

/** The constructor of the platform's WebSocket; that of Node.js takes header fields as well. */
type Constructor = new (url: string, options?: { headers: Record<string, string> }) => WebSocket;

/** A frame of the host's. */
interface Frame {
    type: string;
    event?: TopicEvent;
    missed?: number;
    problem?: Problem;
}

/** Events over a WebSocket of their own. Pages in browsers can send no header fields with one, hence no credentials either. */
export function socketSource(http: Http, mcpUrl: string, topic: string, filters: Filters | undefined, openMaxMs: number): Source {
    const url = `${mcpUrl.replace(/^http/, 'ws')}/ws`;

    return async function* (after, signal) {
        const headers = await http.credential();
        const socket = opened(url, headers);
        const frames = new Frames(socket, signal);
        try {
            const silence = new Silence(openMaxMs);
            silence.signal.addEventListener('abort', () => frames.fail(silence.signal.reason));
            await silence.during(frames.opened);
            socket.send(JSON.stringify({ type: 'subscribe', id: '1', topic, filters, after }));
            for (;;) {
                const frame = await frames.next();
                if (frame) yield* messageOf(frame);
            }
        } finally {
            frames.stop();
            socket.close();
        }
    };
}

function opened(url: string, headers: Record<string, string>): WebSocket {
    const Platform = globalThis.WebSocket as unknown as Constructor;
    if (Object.keys(headers).length === 0) return new Platform(url);
    if (!('process' in globalThis)) throw new CofferdamError('refused', 'a page can send no credentials with a WebSocket: use `transport: "sse"`');
    return new Platform(url, { headers });
}

function* messageOf(frame: Frame): Generator<Message> {
    switch (frame.type) {
        case 'subscribed':
            return yield { kind: 'open' };
        case 'event':
            if (frame.event) yield { kind: 'event', event: frame.event };
            return;
        case 'lagged':
            return yield { kind: 'lagged', missed: frame.missed ?? 0 };
        case 'notice':
            return yield { kind: 'notice', notice: frame as unknown as Notice };
        case 'ended':
            return yield { kind: 'ended', reason: reasonOf(frame) };
        case 'error':
            throw problemError(frame.problem ?? {}, frame.problem);
    }
}

/** The frames of a socket, one after the other, for one reader. */
class Frames {
    readonly opened: Promise<void>;
    readonly #socket: WebSocket;
    readonly #signal: AbortSignal;
    readonly #waiting: Frame[] = [];
    #failure: unknown;
    #wake: (() => void) | undefined;
    readonly #aborted = () => this.fail(this.#signal.reason);

    constructor(socket: WebSocket, signal: AbortSignal) {
        this.#socket = socket;
        this.#signal = signal;
        this.opened = new Promise((resolve, reject) => {
            socket.addEventListener('open', () => resolve());
            this.#wake = () => this.#failure !== undefined && reject(this.#failure);
        });
        socket.addEventListener('message', ({ data }) => this.#push(JSON.parse(String(data)) as Frame));
        socket.addEventListener('error', () => this.fail(new CofferdamError('unreachable', 'the WebSocket cannot be used')));
        socket.addEventListener('close', ({ code, reason }) => {
            this.fail(new CofferdamError('unreachable', `the host closed the WebSocket: ${reason || code}`));
        });
        signal.addEventListener('abort', this.#aborted);
        if (signal.aborted) this.#aborted();
    }

    /** The next frame; what came before a failure is still told before it. */
    async next(): Promise<Frame | undefined> {
        if (this.#waiting.length === 0 && this.#failure === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
        const frame = this.#waiting.shift();
        if (!frame && this.#failure !== undefined) throw this.#failure;
        return frame;
    }

    /** There will be no more frames. */
    fail(error: unknown): void {
        this.#failure ??= error;
        this.#wake?.();
    }

    stop(): void {
        this.#signal.removeEventListener('abort', this.#aborted);
    }

    #push(frame: Frame): void {
        if (this.#failure !== undefined) return;
        this.#waiting.push(frame);
        if (this.#waiting.length > WAITING_MAX) {
            this.fail(new CofferdamError('unreachable', 'the reader did not keep up'));
            this.#socket.close();
        }
        this.#wake?.();
    }
}
