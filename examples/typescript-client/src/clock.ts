/** Time, so that tests can have their own. */
export interface Clock {
    /** Milliseconds since 1970. */
    now(): number;
    /** Waits; rejects with the signal's reason when it is aborted. */
    sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The real one. */
export const systemClock: Clock = {
    now: () => Date.now(),
    sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
            if (signal?.aborted) return reject(signal.reason);
            const aborted = () => {
                clearTimeout(timer);
                reject(signal?.reason);
            };
            const timer = setTimeout(() => {
                signal?.removeEventListener('abort', aborted);
                resolve();
            }, ms);
            signal?.addEventListener('abort', aborted, { once: true });
        }),
};

/** The same promise, given up when the signal is aborted. What it stands for goes on. */
export function unless<T>(signal: AbortSignal | undefined, promise: Promise<T>): Promise<T> {
    if (!signal) return promise;
    return new Promise((resolve, reject) => {
        const aborted = () => reject(signal.reason);
        if (signal.aborted) aborted();
        signal.addEventListener('abort', aborted, { once: true });
        promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted));
    });
}
