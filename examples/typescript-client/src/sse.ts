import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { CofferdamError, textOf } from './errors.ts';
import type { TopicEvent } from './events.ts';
import { refusal, type Http } from './http.ts';
import { Silence, type Filters, type Message, type Notice, type Source } from './subscription.ts';

/** More than any event of a host's; a stream with a larger one is not one of them. */
const EVENT_SIZE_MAX = 4_000_000;

/**
 * Events as server-sent events. Read with `fetch`, since an `EventSource` can send no credentials, and shows neither the status of a refusal
 * nor the comments that keep a connection alive. A reader that takes its time is waited for: what it has not taken stays with the host.
 */
export function sseSource(http: Http, mcpUrl: string, topic: string, filters: Filters | undefined, silenceMaxMs: number): Source {
    const url = new URL(`${mcpUrl}/stream`);
    url.searchParams.set('topic', topic);
    if (filters) url.searchParams.set('filters', JSON.stringify(filters));

    return async function* (after, signal) {
        const silence = new Silence(silenceMaxMs);
        const gone = AbortSignal.any([signal, silence.signal]);
        const headers: Record<string, string> = { accept: 'text/event-stream' };
        if (after !== undefined) headers['last-event-id'] = String(after);
        const response = await silence.during(http.send(url, { headers, cache: 'no-store', signal: gone }));
        if (!response.ok || !response.body) throw await refusal(response);
        yield { kind: 'open' };

        const reader = response.body.getReader();
        const decoder = new TextDecoder();
        const arrived: Message[] = [];
        const parser = createParser({
            maxBufferSize: EVENT_SIZE_MAX,
            onEvent: (event) => arrived.push(...messageOf(event)),
            onError: (error) => {
                if (error.type === 'max-buffer-size-exceeded') throw new CofferdamError('refused', 'the stream has an event that is too large');
            },
        });
        try {
            for (;;) {
                const { done, value } = await silence.during(reader.read());
                if (done) return;
                parser.feed(decoder.decode(value, { stream: true }));
                yield* arrived.splice(0);
            }
        } catch (error) {
            if (gone.aborted) throw gone.reason;
            if (error instanceof CofferdamError) throw error;
            throw new CofferdamError('unreachable', `the connection was lost: ${textOf(error)}`, { cause: error });
        } finally {
            await reader.cancel().catch(() => {});
        }
    };
}

/** What an event of the stream says. Those of kinds that are not known yet say nothing. */
function messageOf({ event, data }: EventSourceMessage): Message[] {
    const value: unknown = JSON.parse(data);
    switch (event) {
        case undefined:
        case '':
        case 'message':
            return [{ kind: 'event', event: value as TopicEvent }];
        case 'lagged':
            return [{ kind: 'lagged', missed: (value as { missed?: number }).missed ?? 0 }];
        case 'notice':
            return [{ kind: 'notice', notice: value as Notice }];
        case 'ended':
            return [{ kind: 'ended', reason: reasonOf(value) }];
        default:
            return [];
    }
}

/** Why a subscription has ended. */
export function reasonOf(value: unknown): string {
    const { reason } = (value ?? {}) as { reason?: unknown };
    return typeof reason === 'string' ? reason : 'the host ended the subscription';
}
