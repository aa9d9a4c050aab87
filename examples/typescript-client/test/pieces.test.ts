// The pieces that need no network.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CofferdamError, type ErrorCode } from '../src/errors.ts';
import { Events, type TopicEvent } from '../src/events.ts';
import { Fallback, keyOf } from '../src/fallback.ts';
import { RETRY, backoffMs, parseRetryAfter, retried, worthAnother } from '../src/retry.ts';
import { TestClock } from './standins.ts';

const options = { ...RETRY, random: () => 0.5 };

test('waits double up to a ceiling, and come on top of what the host asks for', () => {
    const check = (failures: number, retryAfterMs: number | undefined, expected: number) =>
        assert.equal(backoffMs(failures, retryAfterMs, options), expected);
    check(1, undefined, 100);
    check(2, undefined, 200);
    check(4, undefined, 800);
    check(7, undefined, 5_000);
    check(4_000, undefined, 5_000);
    check(1, 3_000, 3_100);
});

test('Retry-After is seconds or a date', () => {
    const now = Date.UTC(2026, 0, 1);
    const check = (header: string | null, expected: number | undefined) => assert.equal(parseRetryAfter(header, now), expected);
    check('2', 2_000);
    check(' 0 ', 0);
    check('Thu, 01 Jan 2026 00:00:30 GMT', 30_000);
    check('Wed, 31 Dec 2025 23:00:00 GMT', 0);
    check('soon', undefined);
    check('-1', undefined);
    check(null, undefined);
});

test('what cannot be done twice is repeated only after a refusal', () => {
    const check = (code: ErrorCode, query: boolean, update: boolean, retryAfterMs?: number) => {
        const error = new CofferdamError(code, '', { retryAfterMs });
        assert.deepEqual([worthAnother(error, true, options), worthAnother(error, false, options)], [query, update], code);
    };
    check('busy', true, true);
    check('unreachable', true, false);
    check('failed', false, false);
    check('refused', false, false);
    check('unauthorized', false, false);
    check('busy', true, true, 60_000);
    check('busy', false, false, 60_001);
    assert.equal(worthAnother(new Error('a bug'), true, options), false);
});

test('attempts end when it works, when they are used up, or with the signal', async () => {
    const failing = (failures: number) => {
        let calls = 0;
        return async () => {
            if (++calls <= failures) throw new CofferdamError('unreachable', `failure ${calls}`);
            return calls;
        };
    };
    const clock = new TestClock();
    const how = { repeatable: true, options, clock };
    assert.equal(await retried(failing(3), how), 4);
    assert.deepEqual(clock.slept, [100, 200, 400]);
    await assert.rejects(retried(failing(4), how), /failure 4/);
    await assert.rejects(retried(failing(1), { ...how, repeatable: false }), /failure 1/);

    const giveUp = new AbortController();
    const onRetry = () => giveUp.abort(new Error('enough'));
    await assert.rejects(retried(failing(9), { ...how, signal: giveUp.signal, onRetry }), /enough/);
});

test('kept answers go by age, by number and by size, the one used longest ago first', () => {
    const kept = new Fallback({ ageMaxMs: 1_000, entriesMax: 2, sizeMax: 40 });
    const answer = { result: 1 };
    kept.put('a', answer, 0);
    assert.notEqual(kept.get('a', 0), answer);
    assert.deepEqual(kept.get('a', 1_000), answer);
    assert.equal(kept.get('a', 1_001), undefined);

    const has = (...keys: string[]) => assert.deepEqual('abcd'.split('').filter((key) => kept.get(key, 0) !== undefined), keys);
    for (const key of 'abc') kept.put(key, 1, 0);
    has('b', 'c');
    kept.get('b', 0);
    kept.put('d', 1, 0);
    has('b', 'd');
    kept.put('a', 'x'.repeat(30), 0);
    has('a', 'd');
    kept.put('a', 'x'.repeat(50), 0);
    has('d');
});

test('the order in which parameters are written does not matter', () => {
    assert.equal(keyOf('q', { a: 1, b: { d: [2, 1], c: null } }), keyOf('q', { b: { c: null, d: [2, 1] }, a: 1 }));
    assert.notEqual(keyOf('q', { a: [1, 2] }), keyOf('q', { a: [2, 1] }));
    assert.notEqual(keyOf('q', {}), keyOf('p', {}));
});

test('listeners are told by type until they are taken away', () => {
    const events = new (class extends Events {
        tell = (event: TopicEvent) => this.emit('data-update', event);
    })();
    const told: number[] = [];
    const off = events.on('data-update', (event) => told.push(event.id));
    events.on('error', () => assert.fail('nothing went wrong'));
    const event = { topic: 'a/b', time: '', data: {} };
    events.tell({ id: 1, ...event });
    off();
    events.tell({ id: 2, ...event });
    assert.deepEqual(told, [1]);
});

test('an error is found among the causes of another', () => {
    const own = new CofferdamError('busy', 'later');
    assert.equal(CofferdamError.within(new Error('outer', { cause: new Error('inner', { cause: own }) })), own);
    assert.equal(CofferdamError.within(new Error('outer')), undefined);
});
