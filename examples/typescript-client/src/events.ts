import type { CofferdamError } from './errors.ts';

/** One event of a topic. */
export interface TopicEvent<Data = Record<string, unknown>> {
    /** Grows from event to event. */
    id: number;
    /** `<plugin>/<topic>` */
    topic: string;
    /** When it was published (RFC 3339). */
    time: string;
    source?: string;
    severity?: string;
    type?: string;
    data: Data;
}

export type Status = 'connecting' | 'connected' | 'reconnecting' | 'disconnected';

/** What the client tells about itself, by the type of the event; each is the `detail` of a `CustomEvent`. */
export interface ClientEvents {
    /** An event came in on any subscription. */
    'data-update': TopicEvent;
    /** Something went wrong that nobody is told by a rejected promise: a stale answer was given, a subscription missed events or was lost. */
    error: CofferdamError;
    /** The state of the calls, or of the subscription to one topic, is another. */
    'connection-status': { of: 'calls' | (string & {}); status: Status; reason?: string };
}

/** An `EventTarget` that knows the types of its events. Unlike with an `EventEmitter`, an `error` that nobody listens to hurts nobody. */
export class Events extends EventTarget {
    /** Calls the listener with every event of a type; the answer takes it away again. */
    on<Type extends keyof ClientEvents>(type: Type, listener: (detail: ClientEvents[Type]) => void): () => void {
        const outer = (event: Event) => listener((event as CustomEvent<ClientEvents[Type]>).detail);
        this.addEventListener(type, outer);
        return () => this.removeEventListener(type, outer);
    }

    protected emit<Type extends keyof ClientEvents>(type: Type, detail: ClientEvents[Type]): void {
        this.dispatchEvent(new CustomEvent(type, { detail }));
    }
}
