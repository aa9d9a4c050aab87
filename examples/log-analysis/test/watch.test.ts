// The program against a real host that follows a folder of log files.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { appendFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CofferdamClient } from '@cofferdam/client';
import { startHost, temporaryFolder, until, type Host } from '../../../tests/examples/host.mts';
import { watch } from '../src/watch.ts';

let host: Host;
let folder: string;
before(async () => {
    folder = await temporaryFolder();
    await mkdir(join(folder, 'logs'));
    host = await startHost({ folder, plugins: { logs: undefined }, settings: '[folders.logs]\npath = "logs"\n[secrets.logs-alerts]\ncommand = ["echo", "unused"]\n' });
});
after(async () => {
    await host.stop();
    await rm(folder, { recursive: true, force: true });
});

const write = (file: string, lines: string[]) => appendFile(join(folder, 'logs', file), lines.map((line) => `${line}\n`).join(''));
const errors = (count: number, words: string) => Array.from({ length: count }, (_, at) => `ERROR ${words} ${at + 1}`);

test('lines that are written to a file become a report', async () => {
    const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
    const filters = JSON.stringify({ severity: ['error', 'warning'] });
    const args = [main, '--host', host.url, '--filters', filters, '--step', '60', '--window', '600', '--every', '600'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const out = text(child.stdout);
    const ended = new Promise((resolve) => child.on('close', resolve));
    let told = '';
    child.stderr.setEncoding('utf8').on('data', (words: string) => (told += words));
    await until(() => told.includes('connected\n'));
    // The feed begins a little later than the subscription: there are bursts in files of their own until one of them is seen.
    let at = 0;
    await until(async () => {
        if (!told.includes('burst: error in probe')) await write(`probe-${++at}.log`, errors(10, 'probe'));
        return told.includes('burst: error in probe');
    });

    await write('app.log', ['INFO started', 'WARN low', 'INFO all is well', ...errors(12, 'lost \u001b[31mit'), 'INFO recovered', 'WARN hot']);
    await until(() => told.includes('burst: error in app.log'));
    // What comes after the burst has arrived when a later line has.
    await write('last.log', errors(10, 'last'));
    await until(() => told.includes('burst: error in last.log'));
    child.kill('SIGINT');
    const report = await out;
    assert.equal(await ended, 0, told);
    assert.match(report, /^ {2}app\.log +error +12 +\d+\.\d$/m);
    assert.match(report, /^ {2}app\.log +warning +2 +\d+\.\d$/m);
    assert.doesNotMatch(report, / info /);
    const burst = report.slice(report.indexOf('lines of error in app.log'));
    const context = ['  WARN low', '  INFO all is well', '> ERROR lost it 1', '  ERROR lost it 2'].map((line) => `  | ${line}\n`);
    assert(burst.includes(context.join('')), burst);
});

test('a wrong filter is told', async () => {
    const client = new CofferdamClient({ url: host.url });
    const { done } = watch(client, { filters: { pattern: '(' }, signal: new AbortController().signal });
    await assert.rejects(done, /pattern/);
    await client.close();
});
