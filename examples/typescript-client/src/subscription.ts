import type { Clock } from './clock.ts';
import { CofferdamError, textOf } from './errors.ts';
import type { Status, TopicEvent } from './events.ts';
import { backoffMs, worthAnother, type RetryOptions } from './retry.ts';

/** What of a topic is wanted: all members have to hold, and a list has what may stand there. */
export interface Filters {
    source?: string | string[];
    severity?: string | string[];
    event_types?: string | string[];
    /** A regular expression that has to be found in one of the texts of the data. */
    pattern?: string;
    /** A path into the data, `a.b.0` or a JSON Pointer. */
    [path: string]: unknown;
}

/** What the host tells about the source of the events: that it failed and is `restarting`, or that it was `restarted`. */
export interface Notice {
    notice: string;
    topic?: string;
    delay_ms?: number;
}

/** What one connection brings, in whatever way it is made. */
export type Message =
    | { kind: 'open' }
    | { kind: 'event'; event: TopicEvent }
    | { kind: 'lagged'; missed: number }
    | { kind: 'notice'; notice: Notice }
    | { kind: 'ended'; reason: string };

/** What the host ends every subscription with when it is stopped: the one reason after which it is worth coming back. */
const HOST_STOPS = 'the host stops';

/** Makes one connection that brings the events after an id, and ends or throws when it is lost. */
export type Source = (after: number | undefined, signal: AbortSignal) => AsyncIterable<Message>;

/** How a subscription is kept. */
export interface Keeping {
    after: number | undefined;
    signal: AbortSignal;
    options: RetryOptions;
    clock: Clock;
    onEvent: (event: TopicEvent) => void;
    onError: (error: CofferdamError) => void;
    onStatus: (status: Status, reason?: string) => void;
}

/** The events of a topic over as many connections as it takes: each goes on where the one before it was lost. */
export async function* kept(source: Source, how: Keeping): AsyncGenerator<TopicEvent, void, undefined> {
    const { signal, options, clock } = how;
    let after = how.after;
    let failures = 0;
    let opened = false;
    let gone = 0;
    how.onStatus('connecting');
    try {
        while (!signal.aborted) {
            let openedMs = Infinity;
            try {
                for await (const message of source(after, signal)) {
                    switch (message.kind) {
                        case 'open':
                            openedMs = clock.now();
                            how.onStatus('connected');
                            // Without the id of an event nobody can say where to go on.
                            if (opened && after === undefined) how.onError(lagged(0));
                            opened = true;
                            gone = 0;
                            break;
                        case 'event':
                            failures = 0;
                            // What is told again after a reconnect is known already.
                            if (after !== undefined && message.event.id <= after) break;
                            after = message.event.id;
                            how.onEvent(message.event);
                            yield message.event;
                            break;
                        case 'lagged':
                            how.onError(lagged(message.missed));
                            break;
                        case 'notice':
                            if (message.notice.notice === 'restarting') how.onError(ailing(message.notice));
                            break;
                        case 'ended':
                            if (message.reason === HOST_STOPS) throw new CofferdamError('unreachable', HOST_STOPS);
                            how.onStatus('disconnected', message.reason);
                            return;
                    }
                }
                throw new CofferdamError('unreachable', 'the host closed the connection');
            } catch (error) {
                if (signal.aborted) return;
                // A host that takes connections only to close them is not one that works.
                if (clock.now() - openedMs > options.ceilingMs) failures = 0;
                failures++;
                // Where there was a host once, there will be one again.
                const attemptsMax = opened ? Infinity : options.attemptsMax;
                // A host that is just being started does not know its topics yet.
                const starting = opened && error instanceof CofferdamError && error.status === 404 && ++gone < options.attemptsMax;
                if (!starting && (failures >= attemptsMax || !worthAnother(error, true, options))) throw error;
                if (failures === 1) how.onError(error);
                how.onStatus('reconnecting', error.message);
                await clock.sleep(backoffMs(failures, error.retryAfterMs, options), signal).catch(() => {});
            }
        }
    } catch (error) {
        how.onStatus('disconnected', textOf(error));
        throw error;
    } finally {
        how.onStatus('disconnected');
    }
}

function lagged(missed: number): CofferdamError {
    return new CofferdamError('lagged', missed > 0 ? `${missed} events are missing` : 'some events may be missing', { missed });
}

function ailing(notice: Notice): CofferdamError {
    return new CofferdamError('source', `the source of ${notice.topic} failed and is started again`, { details: notice });
}

/** A time limit on silence: `during` throws when what it waits for takes longer. What happens between two waits does not count. */
export class Silence {
    readonly #limitMs: number;
    readonly #silent = new AbortController();

    constructor(limitMs: number) {
        this.#limitMs = limitMs;
    }

    /** Aborted when it was silent for too long. */
    get signal(): AbortSignal {
        return this.#silent.signal;
    }

    async during<T>(wait: Promise<T>): Promise<T> {
        const reason = () => new CofferdamError('unreachable', `nothing came from the host for ${this.#limitMs} ms`);
        const timer = setTimeout(() => this.#silent.abort(reason()), this.#limitMs);
        try {
            return await wait;
        } finally {
            clearTimeout(timer);
        }
    }
}
