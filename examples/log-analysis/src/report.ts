// The report as text.
import type { Analysis, Burst } from './analysis.ts';

/** A burst with the lines around its beginning, or why there are none. */
export interface Explained {
    burst: Burst;
    context: string[];
}

export function report(analysis: Analysis, bursts: Explained[], missed: number): string {
    const lines = [`${analysis.lines} lines${missed > 0 ? `, at least ${missed} missed` : ''}`];
    const rates = analysis.rates();
    const width = Math.max(6, ...rates.map(({ source }) => source.length));
    if (rates.length > 0) lines.push(`  ${'source'.padEnd(width)}  ${'severity'.padEnd(8)}  ${'lines'.padStart(7)}  per minute`);
    for (const { source, severity, lines: count, perMinute } of rates) {
        lines.push(`  ${source.padEnd(width)}  ${severity.padEnd(8)}  ${String(count).padStart(7)}  ${perMinute.toFixed(1).padStart(10)}`);
    }
    for (const { burst, context } of bursts) {
        lines.push(`burst: ${burst.lines} lines of ${burst.severity} in ${burst.source}, ${burst.from} to ${burst.to}`);
        lines.push(...context.map((line) => `  | ${line}`));
    }
    // Whoever writes logs does not get to move the cursor of the terminal that shows them.
    return lines.map((line) => line.replace(/[\p{Cc}\p{Cf}]/gu, '\u{fffd}')).join('\n');
}
