import {
    Client,
    ProtocolError,
    SdkError,
    SdkErrorCode,
    SdkHttpError,
    StreamableHTTPClientTransport,
    type CallToolResult,
    type ContentBlock,
} from '@modelcontextprotocol/client';
import { credentials, type Auth } from './auth.ts';
import { systemClock, unless, type Clock } from './clock.ts';
import { CofferdamError, textOf } from './errors.ts';
import { Events, type ClientEvents, type Status, type TopicEvent } from './events.ts';
import { FALLBACK, Fallback, keyOf, type FallbackOptions } from './fallback.ts';
import { Http, codeOf, refusal } from './http.ts';
import { RETRY, retried, type RetryOptions } from './retry.ts';
import { socketSource } from './socket.ts';
import { sseSource } from './sse.ts';
import { kept, type Filters } from './subscription.ts';

export interface ClientOptions {
    /** Where the host serves MCP, such as `http://127.0.0.1:8484/mcp`. */
    url: string | URL;
    auth?: Auth;
    retry?: Partial<RetryOptions>;
    /** What is answered while the host cannot be reached; `false` for nothing. */
    fallback?: Partial<FallbackOptions> | false;
    /** How subscriptions come in when they do not say: server-sent events, unless told otherwise. */
    transport?: 'sse' | 'websocket';
    /** How long one attempt of a call may take, in milliseconds; 30 s. */
    timeoutMs?: number;
    /** How long a stream may be silent before it is taken for lost, in milliseconds. The host sends something every 15 s. */
    silenceMaxMs?: number;
    fetch?: typeof fetch;
    clock?: Clock;
}

export interface CallOptions {
    signal?: AbortSignal;
    timeoutMs?: number;
}

export interface UpdateOptions extends CallOptions {
    /** A JSON Schema that the host checks the data by before the handler sees it. */
    validation?: Record<string, unknown>;
}

export interface SubscribeOptions {
    filters?: Filters;
    /** Ends the subscription: the iterator is done. */
    signal?: AbortSignal;
    /** Begins with the events after this id, as far as the host still has them; without it, with what is new. */
    after?: number;
    transport?: 'sse' | 'websocket';
}

/** What a query or an update answered. */
export interface Answer<Result = unknown> {
    /** The structured result, or the text when there is none. */
    result: Result;
    content: ContentBlock[];
    /** When it was answered (RFC 3339). */
    timestamp: string;
    /** Whether this is an older answer, because the host cannot be reached. */
    stale: boolean;
}

/** The protocol that the host is spoken to in: every request stands for itself, so that there is no session to lose. */
const PROTOCOL = '2026-07-28';

/**
 * A client of a Cofferdam host. Calls go through the official MCP client, events come over SSE or a WebSocket. It tells how it fares by the
 * events `data-update`, `error` and `connection-status`.
 */
export class CofferdamClient extends Events {
    readonly #url: string;
    readonly #http: Http;
    readonly #clock: Clock;
    readonly #retry: RetryOptions;
    readonly #fallback: Fallback | undefined;
    readonly #transport: 'sse' | 'websocket';
    readonly #timeoutMs: number;
    readonly #silenceMaxMs: number;
    readonly #closed = new AbortController();
    readonly #status = new Map<symbol | 'calls', Status>();
    #mcp: Promise<Client> | undefined;

    constructor(options: ClientOptions) {
        super();
        this.#url = String(options.url).replace(/\/+$/, '');
        this.#clock = options.clock ?? systemClock;
        this.#timeoutMs = options.timeoutMs ?? 30_000;
        this.#silenceMaxMs = options.silenceMaxMs ?? 60_000;
        this.#transport = options.transport ?? 'sse';
        this.#retry = { ...RETRY, ...options.retry };
        this.#fallback = options.fallback === false ? undefined : new Fallback({ ...FALLBACK, ...options.fallback });
        const fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
        const reach = { fetch, clock: this.#clock, timeoutMs: this.#timeoutMs };
        this.#http = new Http(fetch, credentials(options.auth, reach), this.#clock);
    }

    /** Asks a query, by the name of its tool. Tried again when it fails on the way; the last good answer serves when that is in vain. */
    async query<Result = unknown>(name: string, parameters: Record<string, unknown> = {}, options: CallOptions = {}): Promise<Answer<Result>> {
        const key = keyOf(name, parameters);
        try {
            const answer = await this.#tool(name, parameters, true, options);
            this.#fallback?.put(key, answer, this.#clock.now());
            return answer as Answer<Result>;
        } catch (error) {
            const last = isTransient(error) ? (this.#fallback?.get(key, this.#clock.now()) as Answer<Result> | undefined) : undefined;
            if (!last) throw error;
            this.emit('error', error as CofferdamError);
            return { ...last, stale: true };
        }
    }

    /** Carries out an update, by the name of its tool. Tried again only when the host has refused to begin with it. */
    update<Result = unknown>(target: string, data: Record<string, unknown>, options: UpdateOptions = {}): Promise<Answer<Result>> {
        const { validation } = options;
        // MCP has no place for a schema of the caller's, the plain interface has.
        const answer = validation ? this.#plainUpdate(target, data, validation, options) : this.#tool(target, data, false, options);
        return answer as Promise<Answer<Result>>;
    }

    /**
     * The events of a topic, `<plugin>/<topic>`, from when the first one is asked for until the iterator is left, the signal is aborted, or
     * the topic is gone. A lost connection is made anew for as long as it takes, and goes on after the last event; what is missing all the
     * same is told by `error`. One that was never made is given up as a call is.
     */
    subscribe(topic: string, options: SubscribeOptions = {}): AsyncGenerator<TopicEvent, void, undefined> {
        const { filters, after } = options;
        const me = Symbol(topic);
        const overSocket = (options.transport ?? this.#transport) === 'websocket';
        const source = overSocket
            ? socketSource(this.#http, this.#url, topic, filters, this.#timeoutMs)
            : sseSource(this.#http, this.#url, topic, filters, this.#silenceMaxMs);
        return kept(source, {
            after,
            signal: this.#until(options.signal),
            options: this.#retry,
            clock: this.#clock,
            onEvent: (event) => this.emit('data-update', event),
            onError: (error) => this.emit('error', error),
            onStatus: (status, reason) => this.#tell(me, topic, status, reason),
        });
    }

    /** Ends all subscriptions and calls. */
    async close(): Promise<void> {
        if (this.#closed.signal.aborted) return;
        this.#closed.abort(new CofferdamError('closed', 'the client was closed'));
        const mcp = this.#mcp;
        this.#mcp = undefined;
        if (this.#status.has('calls')) this.#tell('calls', 'calls', 'disconnected');
        await mcp?.then((client) => client.close()).catch(() => {});
    }

    /** A call by MCP. */
    async #tool(name: string, parameters: Record<string, unknown>, repeatable: boolean, options: CallOptions): Promise<Answer> {
        const signal = this.#until(options.signal);
        // Connecting does nothing that could not be done twice, whatever the call is.
        const client = await this.#tried(true, signal, () => this.#connected());
        const timeout = options.timeoutMs ?? this.#timeoutMs;
        const call = () => client.callTool({ name, arguments: parameters }, { signal, timeout });
        return this.#answerOf(await this.#tried(repeatable, signal, call));
    }

    async #plainUpdate(target: string, data: unknown, validation: unknown, options: CallOptions): Promise<Answer> {
        const signal = this.#until(options.signal);
        const headers = { 'content-type': 'application/json', accept: 'application/json' };
        const body = JSON.stringify({ target, data, validation });
        const call = async () => {
            const limit = AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs ?? this.#timeoutMs)]);
            const response = await this.#http.send(`${this.#url}/update`, { method: 'POST', headers, body, signal: limit });
            if (!response.ok) throw await refusal(response);
            return (await response.json()) as Omit<Answer, 'stale'>;
        };
        const { result, content, timestamp } = await this.#tried(false, signal, call);
        return { result, content: content ?? [], timestamp, stale: false };
    }

    /** Does one step of a call as often as it is worth, and tells how it went. */
    async #tried<T>(repeatable: boolean, signal: AbortSignal, step: () => Promise<T>): Promise<T> {
        signal.throwIfAborted();
        const attempt = async () => {
            try {
                return await unless(signal, step());
            } catch (error) {
                throw signal.aborted ? signal.reason : errorOf(error);
            }
        };
        try {
            const onRetry = (error: CofferdamError) => this.#tell('calls', 'calls', 'reconnecting', error.message);
            const done = await retried(attempt, { repeatable, options: this.#retry, clock: this.#clock, signal, onRetry });
            this.#tell('calls', 'calls', 'connected');
            return done;
        } catch (error) {
            if (isTransient(error)) this.#tell('calls', 'calls', 'disconnected', textOf(error));
            throw error;
        }
    }

    /** Aborted when the caller or this client gives up. */
    #until(signal: AbortSignal | undefined): AbortSignal {
        return signal ? AbortSignal.any([this.#closed.signal, signal]) : this.#closed.signal;
    }

    #answerOf(answered: CallToolResult): Answer {
        const { content, structuredContent, isError } = answered;
        const text = content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('\n');
        if (isError) throw new CofferdamError('failed', text || 'the handler failed', { details: structuredContent ?? content });
        return { result: structuredContent ?? text, content, timestamp: new Date(this.#clock.now()).toISOString(), stale: false };
    }

    /** The MCP client, connected once for all calls that wait for it. */
    #connected(): Promise<Client> {
        if (!this.#mcp) {
            const mcp = this.#connect();
            this.#mcp = mcp;
            mcp.catch(() => {
                if (this.#mcp === mcp) this.#mcp = undefined;
            });
        }
        return this.#mcp;
    }

    async #connect(): Promise<Client> {
        if (!this.#status.has('calls')) this.#tell('calls', 'calls', 'connecting');
        const client = new Client({ name: 'cofferdam-client', version: '0.1.0' }, { versionNegotiation: { mode: { pin: PROTOCOL } } });
        try {
            await client.connect(new StreamableHTTPClientTransport(new URL(this.#url), { fetch: this.#http.send }), { timeout: this.#timeoutMs });
        } catch (error) {
            await client.close().catch(() => {});
            throw error;
        }
        client.onclose = () => (this.#mcp = undefined);
        return client;
    }

    #tell(key: symbol | 'calls', of: ClientEvents['connection-status']['of'], status: Status, reason?: string): void {
        if (this.#status.get(key) === status) return;
        if (status === 'disconnected' && key !== 'calls') {
            if (!this.#status.delete(key)) return;
        } else {
            this.#status.set(key, status);
        }
        this.emit('connection-status', reason === undefined ? { of, status } : { of, status, reason });
    }
}

function isTransient(error: unknown): boolean {
    return error instanceof CofferdamError && error.transient;
}

/** What the MCP client throws, as an error of this library. */
function errorOf(error: unknown): unknown {
    const own = CofferdamError.within(error);
    if (own) return own;
    const message = textOf(error);
    if (ProtocolError.isInstance(error)) {
        // -32603: an internal error. The other codes are about what was asked.
        return new CofferdamError(error.code === -32603 ? 'failed' : 'refused', message, { details: error.data, cause: error });
    }
    if (SdkHttpError.isInstance(error)) {
        return new CofferdamError(codeOf(error.status), message, { status: error.status, details: error.data, cause: error });
    }
    if (SdkError.isInstance(error)) {
        const lost = [SdkErrorCode.RequestTimeout, SdkErrorCode.ConnectionClosed, SdkErrorCode.SendFailed].includes(error.code);
        return new CofferdamError(lost ? 'unreachable' : 'refused', message, { cause: error });
    }
    if (error instanceof DOMException && error.name === 'TimeoutError') return new CofferdamError('unreachable', 'the host did not answer in time');
    return error instanceof TypeError ? new CofferdamError('unreachable', message, { cause: error }) : error;
}
