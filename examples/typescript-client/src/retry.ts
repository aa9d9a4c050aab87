import type { Clock } from './clock.ts';
import { CofferdamError } from './errors.ts';

/** How often and how soon something is tried again. */
export interface RetryOptions {
    /** Attempts, the first one included. */
    attemptsMax: number;
    /** What the first wait is drawn from, in milliseconds; it doubles from attempt to attempt. */
    baseMs: number;
    /** What a wait is drawn from at most, in milliseconds. */
    ceilingMs: number;
    /** Who asks for a longer wait than this with `Retry-After` is not asked again, in milliseconds. */
    retryAfterMaxMs: number;
    /** From 0 to below 1. */
    random: () => number;
}

export const RETRY: RetryOptions = { attemptsMax: 4, baseMs: 200, ceilingMs: 10_000, retryAfterMaxMs: 60_000, random: Math.random };

/**
 * How long to wait after so many failures: anything up to a bound that doubles ("full jitter"), so that clients that failed together do not
 * come back together; and on top of what the host asks for.
 */
export function backoffMs(failures: number, retryAfterMs: number | undefined, options: RetryOptions): number {
    const bound = Math.min(options.ceilingMs, options.baseMs * 2 ** Math.min(failures - 1, 30));
    return (retryAfterMs ?? 0) + options.random() * bound;
}

/** Whether an error is worth another attempt. What cannot be done twice is repeated only after the host has refused to do it. */
export function worthAnother(error: unknown, repeatable: boolean, options: RetryOptions): error is CofferdamError {
    if (!(error instanceof CofferdamError) || (error.retryAfterMs ?? 0) > options.retryAfterMaxMs) return false;
    return error.code === 'busy' || (repeatable && error.code === 'unreachable');
}

/** What `retried` needs to know. */
export interface Retrying {
    /** Whether doing it twice does no harm. */
    repeatable: boolean;
    options: RetryOptions;
    clock: Clock;
    signal?: AbortSignal | undefined;
    /** Told before every wait. */
    onRetry?: (error: CofferdamError) => void;
}

/** Does it until it works, or until it is not worth another attempt. */
export async function retried<T>(work: () => Promise<T>, how: Retrying): Promise<T> {
    for (let failures = 1; ; failures++) {
        try {
            return await work();
        } catch (error) {
            if (failures >= how.options.attemptsMax || !worthAnother(error, how.repeatable, how.options)) throw error;
            how.onRetry?.(error);
            await how.clock.sleep(backoffMs(failures, error.retryAfterMs, how.options), how.signal);
        }
    }
}

/** `Retry-After` in milliseconds: seconds, or a date (RFC 9110, 10.2.3). */
export function parseRetryAfter(header: string | null, nowMs: number): number | undefined {
    if (header === null) return undefined;
    if (/^\s*\d{1,9}\s*$/.test(header)) return Number(header) * 1000;
    // `Date.parse` takes much else for a date.
    const at = /^[A-Z][a-z]+, .+ GMT$/.test(header) ? Date.parse(header) : NaN;
    return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}
