/**
 * What kind of failure it was.
 *
 * - `unreachable`: no answer of the host's: the network, a time limit, or a gateway in between. It may have been done or not.
 * - `busy`: the host refused for now (429, 503). Nothing was done.
 * - `unauthorized`: the credential was refused, or there is none to be had.
 * - `refused`: the host does not do this: there is no such operation or topic, or what was sent is not what it takes.
 * - `failed`: the handler was run and failed.
 * - `lagged`: events of a subscription are missing.
 * - `source`: the source of a subscription's events failed and is started again; events may be missing.
 * - `closed`: the client was closed.
 */
export type ErrorCode = 'unreachable' | 'busy' | 'unauthorized' | 'refused' | 'failed' | 'lagged' | 'source' | 'closed';

/** What else is known of a failure. */
export interface ErrorFacts {
    /** The HTTP status, where there was one. */
    status?: number | undefined;
    /** How long the host asks to wait, in milliseconds. */
    retryAfterMs?: number | undefined;
    /** How many events are missing; 0 when nobody knows. */
    missed?: number | undefined;
    /** What the host told: problem details (RFC 9457), the data of a JSON-RPC error, or the content of a failed call. */
    details?: unknown;
    cause?: unknown;
}

/** Everything that this library throws or reports, except for an aborted signal's own reason. */
export class CofferdamError extends Error {
    override readonly name = 'CofferdamError';
    readonly code: ErrorCode;
    readonly status: number | undefined;
    readonly retryAfterMs: number | undefined;
    readonly missed: number | undefined;
    readonly details: unknown;

    constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
        super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
        this.code = code;
        this.status = facts.status;
        this.retryAfterMs = facts.retryAfterMs;
        this.missed = facts.missed;
        this.details = facts.details;
    }

    /** Whether the same may work a little later. */
    get transient(): boolean {
        return this.code === 'unreachable' || this.code === 'busy';
    }

    /** The error of this library that an error is, or that is among its causes. */
    static within(error: unknown): CofferdamError | undefined {
        for (let depth = 0; depth < 8 && error instanceof Error; depth++) {
            if (error instanceof CofferdamError) return error;
            error = error.cause;
        }
        return undefined;
    }
}

/** The text of anything that was thrown. */
export function textOf(error: unknown): string {
    if (!(error instanceof Error)) return String(error);
    return error.cause instanceof Error && error.cause.message ? `${error.message}: ${error.cause.message}` : error.message;
}
