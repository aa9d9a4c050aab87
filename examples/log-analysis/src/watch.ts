// Follows the topic `logs/lines` of the bundled `logs` plugin, and looks up what was around the beginning of each burst.
import type { CofferdamClient, Filters, TopicEvent } from '@cofferdam/client';
import { Analysis, type AnalysisOptions, type Burst } from './analysis.ts';
import type { Explained } from './report.ts';

export const TOPIC = 'logs/lines';

export interface WatchOptions {
    filters?: Filters;
    /** Ends it. */
    signal: AbortSignal;
    analysis?: Partial<AnalysisOptions>;
    /** Told when a burst begins and its context is there. */
    onBurst?: (explained: Explained) => void;
}

/** What was seen so far. */
export interface Watched {
    analysis: Analysis;
    explained: Explained[];
    /** Lines that did not arrive, as far as somebody counted them. */
    missed: number;
    /** Over when the signal is aborted, or the topic is gone. */
    done: Promise<void>;
}

const CONTEXT = { before: 5, after: 5 };
const LINE_MAX = 200;
/** Bursts that are looked up at the same time; with more, some go without. */
const LOOKUPS_MAX = 4;
/** Of explanations only the last ones are kept. */
const EXPLAINED_MAX = 100;

export function watch(client: CofferdamClient, options: WatchOptions): Watched {
    const analysis = new Analysis(options.analysis);
    const watched: Watched = { analysis, explained: [], missed: 0, done: Promise.resolve() };
    const lookups = new Set<Promise<void>>();

    const explain = async (burst: Burst) => {
        const context = await around(client, burst.event).catch((error: unknown) => [`(no context: ${String(error)})`]);
        watched.explained.push({ burst, context });
        if (watched.explained.length > EXPLAINED_MAX) watched.explained.shift();
        options.onBurst?.({ burst, context });
    };
    const follow = async () => {
        const { filters, signal } = options;
        const off = client.on('error', (error) => (watched.missed += error.missed ?? 0));
        try {
            for await (const event of client.subscribe(TOPIC, { signal, ...(filters && { filters }) })) {
                const burst = analysis.add(event);
                if (!burst || lookups.size >= LOOKUPS_MAX) continue;
                const lookup = explain(burst).finally(() => lookups.delete(lookup));
                lookups.add(lookup);
            }
        } finally {
            off();
            await Promise.all(lookups);
        }
    };
    watched.done = follow();
    return watched;
}

interface Line {
    file: string;
    offset: number;
    text: string;
}

/** The lines around that of an event, which has a mark. */
async function around(client: CofferdamClient, event: TopicEvent): Promise<string[]> {
    const { file, offset } = event.data as Partial<Line>;
    const { result } = await client.query<{ lines: Line[] }>('logs_around', { file, offset, ...CONTEXT });
    return result.lines.map((line) => `${line.offset === offset ? '>' : ' '} ${line.text.slice(0, LINE_MAX)}`);
}
