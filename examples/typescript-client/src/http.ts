import type { Credentials } from './auth.ts';
import type { Clock } from './clock.ts';
import { CofferdamError, textOf, type ErrorCode } from './errors.ts';
import { parseRetryAfter } from './retry.ts';

/** Requests to the host: with credentials, and with errors that say what may be tried again. */
export class Http {
    readonly #fetch: typeof fetch;
    readonly #credentials: Credentials;
    readonly #clock: Clock;

    constructor(fetch: typeof globalThis.fetch, credentials: Credentials, clock: Clock) {
        this.#fetch = fetch;
        this.#credentials = credentials;
        this.#clock = clock;
    }

    /** The header fields of the credential, for requests that are not made here. */
    credential(): Promise<Record<string, string>> {
        return this.#credentials.headers();
    }

    /**
     * Sends a request and returns the host's answer, whatever its status; throws when there is none, and when the host is busy. In the shape
     * of `fetch`, because the MCP client sends its requests by it.
     */
    readonly send = async (url: string | URL, init: RequestInit = {}): Promise<Response> => {
        const credential = await this.#credentials.headers();
        let response = await this.#once(url, init, credential);
        if (response.status === 401 && this.#credentials.refused(credential)) {
            await response.body?.cancel();
            response = await this.#once(url, init, await this.#credentials.headers());
        }
        // A credential in a header of its own would go along to wherever that is.
        if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400)) {
            throw new CofferdamError('refused', 'the host answered with a redirect, which is not followed', { status: response.status });
        }
        if (response.status === 429 || response.status === 503) {
            const retryAfterMs = parseRetryAfter(response.headers.get('retry-after'), this.#clock.now());
            throw await refusal(response, 'busy', retryAfterMs);
        }
        // The host tells of a handler's failure in JSON; who only stands before it does not know of the handler.
        if ([408, 502, 504].includes(response.status) && !isJson(response)) throw await refusal(response, 'unreachable');
        if (response.status >= 500 || response.status === 401 || response.status === 403) throw await refusal(response);
        return response;
    };

    async #once(url: string | URL, init: RequestInit, credential: Record<string, string>): Promise<Response> {
        const headers = new Headers(init.headers);
        for (const [name, value] of Object.entries(credential)) headers.set(name, value);
        try {
            return await this.#fetch(url, { ...init, headers, redirect: 'manual' });
        } catch (error) {
            if (init.signal?.aborted) throw init.signal.reason;
            throw new CofferdamError('unreachable', `the host cannot be reached: ${textOf(error)}`, { cause: error });
        }
    }
}

/** The problems that a handler tells of, which was run then: nothing of them is a refusal of the host's to begin. */
const HANDLERS_OWN = /^urn:cofferdam:problem:(?:failed|unavailable|denied|not-found)$/;

/** A problem as the host tells it: RFC 9457 on the plain interface, a JSON-RPC error on the other one. */
export interface Problem {
    type?: string;
    title?: string;
    detail?: string;
    status?: number;
    error?: { message?: string };
    /** What is wrong with which part of the request. */
    errors?: { path?: string; message?: string }[];
}

/** What a refusal of the host's is as an error. Gateways between answer with pages. */
export async function refusal(response: Response, code?: 'busy' | 'unreachable', retryAfterMs?: number): Promise<CofferdamError> {
    const { status } = response;
    const text = await response.text().catch(() => '');
    const problem = isJson(response) ? (parsed(text) as Problem | undefined) : undefined;
    return problemError({ detail: text.slice(0, 200).trim() || response.statusText, ...problem, status }, problem, code, retryAfterMs);
}

export function problemError(problem: Problem, details: unknown, code?: ErrorCode, retryAfterMs?: number): CofferdamError {
    const { status = 400, type = '', title, detail, error, errors = [] } = problem;
    const parts = errors.slice(0, 5).map(({ path, message }) => `\n${path ?? ''}: ${message ?? ''}`);
    const known = HANDLERS_OWN.test(type) ? 'failed' : (code ?? codeOf(status));
    return new CofferdamError(known, `the host answered ${status}: ${error?.message ?? detail ?? title}${parts.join('')}`, { status, retryAfterMs, details });
}

export function codeOf(status: number): ErrorCode {
    if (status === 429 || status === 503) return 'busy';
    if (status === 401 || status === 403) return 'unauthorized';
    return status >= 500 ? 'failed' : 'refused';
}

function isJson(response: Response): boolean {
    return /^application\/([\w.-]+\+)?json\b/i.test(response.headers.get('content-type') ?? '');
}

function parsed(text: string): unknown {
    try {
        return JSON.parse(text);
    } catch {
        return undefined;
    }
}
