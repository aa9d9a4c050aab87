// Rates and bursts. Time is that of the events, so that lines that are read again later give the same report.
import type { TopicEvent } from '@cofferdam/client';

export interface AnalysisOptions {
    /** How much of the past rates are of, in seconds. */
    windowS: number;
    /** What is counted together to find a burst, in seconds. */
    stepS: number;
    /** A burst is a step with at least so many lines of one kind, */
    least: number;
    /** and with so many times as many as the steps of the window before it have on average. */
    times: number;
}

export const DEFAULTS: AnalysisOptions = { windowS: 60, stepS: 5, least: 10, times: 4 };

/** Many lines of one kind within a step. */
export interface Burst {
    source: string;
    severity: string;
    /** When its first step began, and its last one ended. */
    from: string;
    to: string;
    lines: number;
    /** Its first line. */
    event: TopicEvent;
}

/** Of sources and severities that are seen at the same time no more are kept. */
const KINDS_MAX = 1_000;
/** The source of those beyond that. */
const OTHERS = '(others)';
/** Of bursts only the last ones are kept. */
const BURSTS_MAX = 100;

/** The lines of one source and severity: how many there were in each step of the window, by the step's number. */
interface Kind {
    source: string;
    severity: string;
    steps: Map<number, number>;
    /** The newest step, and the first line in it. */
    newest: { at: number; event: TopicEvent };
    /** The last burst, and the last step that belongs to it. */
    burst: Burst | undefined;
    burstAt: number;
}

export class Analysis {
    readonly #options: AnalysisOptions;
    readonly #kinds = new Map<string, Kind>();
    readonly bursts: Burst[] = [];
    /** The newest step that there was a line in, and the first one. */
    #now = -Infinity;
    #first = Infinity;
    lines = 0;

    constructor(options: Partial<AnalysisOptions> = {}) {
        this.#options = { ...DEFAULTS, ...options };
    }

    /** Counts a line; the answer is the burst that it begins. */
    add(event: TopicEvent): Burst | undefined {
        const at = Math.floor(Date.parse(event.time) / (this.#options.stepS * 1000));
        if (Number.isNaN(at) || at < this.#oldest) return undefined;
        this.lines++;
        this.#first = Math.min(this.#first, at);
        if (at > this.#now) {
            this.#now = at;
            this.#forget();
        }
        const kind = this.#kind(event, at);
        const count = (kind.steps.get(at) ?? 0) + 1;
        kind.steps.set(at, count);
        if (at > kind.newest.at) kind.newest = { at, event };
        return this.#burst(kind, at, count, kind.newest.at === at ? kind.newest.event : event);
    }

    /** Lines per minute by severity within source, over the window or as much of it as there was. */
    rates(): { source: string; severity: string; lines: number; perMinute: number }[] {
        const { windowS, stepS } = this.#options;
        const seconds = Math.min(windowS, (this.#now - this.#first + 1) * stepS);
        const rates = [...this.#kinds.values()].map(({ source, severity, steps }) => {
            const lines = [...steps.values()].reduce((sum, count) => sum + count, 0);
            return { source, severity, lines, perMinute: (lines * 60) / seconds };
        });
        return rates.sort((a, b) => b.lines - a.lines || (a.source + a.severity < b.source + b.severity ? -1 : 1));
    }

    #burst(kind: Kind, at: number, count: number, event: TopicEvent): Burst | undefined {
        const { least, times } = this.#options;
        const { burst } = kind;
        if (burst && kind.burstAt === at) {
            burst.lines++;
            return undefined;
        }
        if (count < least) return undefined;
        kind.burstAt = at;
        if (burst && burst.to === this.#time(at)) {
            burst.lines += count;
            burst.to = this.#time(at + 1);
            return undefined;
        }
        kind.burst = undefined;
        if (count < times * this.#usual(kind, at)) return undefined;
        const { source, severity } = kind;
        const begun = { source, severity, from: this.#time(at), to: this.#time(at + 1), lines: count, event };
        kind.burst = begun;
        this.bursts.push(begun);
        if (this.bursts.length > BURSTS_MAX) this.bursts.shift();
        return begun;
    }

    /** How many lines the steps before this one had on average, those without any included. */
    #usual({ steps }: Kind, at: number): number {
        const before = at - Math.max(this.#oldest, this.#first);
        if (before <= 0) return 0;
        let lines = 0;
        for (const [step, count] of steps) if (step < at) lines += count;
        return lines / before;
    }

    #kind(event: TopicEvent, at: number): Kind {
        const { source = '-', severity = '-' } = event;
        const known = this.#kinds.get(`${source} ${severity}`);
        if (known) return known;
        // With too many of them, what is new goes together; first by source, then altogether.
        const name = this.#kinds.size < KINDS_MAX ? source : OTHERS;
        const level = this.#kinds.size < 2 * KINDS_MAX ? severity : OTHERS;
        const key = `${name} ${level}`;
        const fresh = { source: name, severity: level, steps: new Map(), newest: { at, event }, burst: undefined, burstAt: -Infinity };
        const kind = this.#kinds.get(key) ?? fresh;
        this.#kinds.set(key, kind);
        return kind;
    }

    get #oldest(): number {
        return this.#now - Math.ceil(this.#options.windowS / this.#options.stepS) + 1;
    }

    #forget(): void {
        for (const [key, { steps }] of this.#kinds) {
            for (const step of steps.keys()) if (step < this.#oldest) steps.delete(step);
            if (steps.size === 0) this.#kinds.delete(key);
        }
    }

    #time(step: number): string {
        return new Date(step * this.#options.stepS * 1000).toISOString();
    }
}
