import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TopicEvent } from '@cofferdam/client';
import { Analysis, type AnalysisOptions } from '../src/analysis.ts';
import { report } from '../src/report.ts';

const START = Date.UTC(2026, 0, 1);
let id = 0;
const line = (second: number, severity = 'error', source = 'app'): TopicEvent => {
    const time = new Date(START + second * 1000).toISOString();
    return { id: ++id, topic: 'logs/lines', time, source, severity, data: {} };
};

/** The bursts of lines at these seconds, as `from-to lines`. */
function bursts(seconds: number[], options: Partial<AnalysisOptions> = {}): string[] {
    const analysis = new Analysis(options);
    const begun = seconds.flatMap((second) => analysis.add(line(second)) ?? []);
    assert.deepEqual(begun, analysis.bursts);
    const second = (time: string) => (Date.parse(time) - START) / 1000;
    return analysis.bursts.map(({ from, to, lines }) => `${second(from)}-${second(to)} ${lines}`);
}
const times = (count: number, second: number) => Array.from({ length: count }, () => second);

test('a burst is many lines, and many more than usual', () => {
    const check = (seconds: number[], expected: string[]) => assert.deepEqual(bursts(seconds), expected);
    check([...times(9, 0)], []);
    check([...times(10, 0)], ['0-5 10']);
    check([...times(25, 3)], ['0-5 25']);
    // Steps of 5 s before it with 3 lines each: 12 are four times as many.
    const usual = [0, 5, 10, 15].flatMap((second) => times(3, second));
    check([...usual, ...times(11, 20)], []);
    check([...usual, ...times(12, 20)], ['20-25 12']);
    // It goes on while there are many, and another one is another one.
    check([...usual, ...times(40, 20), ...times(15, 25), ...times(2, 30)], ['20-30 55']);
    check([...usual, ...times(20, 20), ...times(80, 35)], ['20-25 20', '35-40 80']);
    // Steps without a line count for what is usual.
    check([...times(3, 0), ...times(10, 50)], ['50-55 10']);
});

test('rates are of the window, by source and severity', () => {
    const analysis = new Analysis({ windowS: 60 });
    assert.deepEqual(analysis.rates(), []);
    for (const second of times(6, 0)) analysis.add(line(second, 'info'));
    assert.deepEqual(analysis.rates(), [{ source: 'app', severity: 'info', lines: 6, perMinute: 72 }]);
    for (const second of times(30, 55)) analysis.add(line(second, 'error', 'db'));
    analysis.add(line(56, 'info'));
    assert.deepEqual(analysis.rates(), [
        { source: 'db', severity: 'error', lines: 30, perMinute: 30 },
        { source: 'app', severity: 'info', lines: 7, perMinute: 7 },
    ]);
    // What comes late counts where it belongs, what comes too late does not.
    analysis.add(line(20, 'info'));
    analysis.add(line(100, 'info'));
    analysis.add(line(30, 'info'));
    assert.deepEqual(analysis.rates()[1], { source: 'app', severity: 'info', lines: 2, perMinute: 2 });
    assert.equal(analysis.lines, 39);
    analysis.add(line(1_000, 'info'));
    assert.deepEqual(analysis.rates(), [{ source: 'app', severity: 'info', lines: 1, perMinute: 1 }]);
});

test('sources without end do not fill the memory', () => {
    const analysis = new Analysis();
    for (let at = 0; at < 5_000; at++) analysis.add(line(0, 'info', `source-${at}`));
    const rates = analysis.rates();
    assert.equal(rates.length, 1_001);
    assert.deepEqual(rates[0], { source: '(others)', severity: 'info', lines: 4_000, perMinute: 48_000 });
    for (let at = 0; at < 5_000; at++) analysis.add(line(0, `severity-${at}`, `source-${at}`));
    assert.equal(analysis.rates().length, 2_001);
});

test('a report shows rates, bursts and what is around them, and no control characters', () => {
    const analysis = new Analysis();
    for (const second of times(10, 3)) analysis.add(line(second));
    const [burst] = analysis.bursts;
    assert(burst);
    const text = report(analysis, [{ burst, context: ['before', 'a\u001b[2Jb'] }], 5);
    assert.equal(
        text,
        [
            '10 lines, at least 5 missed',
            '  source  severity    lines  per minute',
            '  app     error          10       120.0',
            'burst: 10 lines of error in app, 2026-01-01T00:00:00.000Z to 2026-01-01T00:00:05.000Z',
            '  | before',
            '  | a\u{fffd}[2Jb',
        ].join('\n'),
    );
});
