/** What is kept for the time when the host cannot be reached. */
export interface FallbackOptions {
    /** How old an answer may be, in milliseconds. */
    ageMaxMs: number;
    /** How many answers are kept; the one that was not used for longest goes first. */
    entriesMax: number;
    /** What they take together at most, in characters of JSON. */
    sizeMax: number;
}

export const FALLBACK: FallbackOptions = { ageMaxMs: 600_000, entriesMax: 256, sizeMax: 4_000_000 };

interface Kept {
    json: string;
    atMs: number;
}

/** The last good answer of every query. As text: nobody can change what is kept, and its size is known. */
export class Fallback {
    readonly #options: FallbackOptions;
    /** In the order in which they were used. */
    readonly #kept = new Map<string, Kept>();
    #size = 0;

    constructor(options: FallbackOptions) {
        this.#options = options;
    }

    put(key: string, answer: unknown, atMs: number): void {
        this.#drop(key);
        const json = JSON.stringify(answer);
        const { entriesMax, sizeMax } = this.#options;
        if (entriesMax < 1 || key.length + json.length > sizeMax) return;
        this.#kept.set(key, { json, atMs });
        this.#size += key.length + json.length;
        for (const oldest of this.#kept.keys()) {
            if (this.#kept.size <= entriesMax && this.#size <= sizeMax) break;
            this.#drop(oldest);
        }
    }

    get(key: string, nowMs: number): unknown {
        const kept = this.#kept.get(key);
        if (!kept) return undefined;
        if (nowMs - kept.atMs > this.#options.ageMaxMs) {
            this.#drop(key);
            return undefined;
        }
        this.#kept.delete(key);
        this.#kept.set(key, kept);
        return JSON.parse(kept.json);
    }

    #drop(key: string): void {
        const kept = this.#kept.get(key);
        if (!kept) return;
        this.#kept.delete(key);
        this.#size -= key.length + kept.json.length;
    }
}

/** The same text for the same call, in whatever order its parameters are written. */
export function keyOf(name: string, parameters: unknown): string {
    return `${name} ${JSON.stringify(parameters, (_key, value: unknown) => sorted(value))}`;
}

function sorted(value: unknown): unknown {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
