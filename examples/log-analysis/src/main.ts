// node src/main.ts [--host URL] [--filters JSON] [--every SECONDS] [--window SECONDS] [--step SECONDS] [--least LINES] [--times FACTOR]
import { CofferdamClient, type Filters } from '@cofferdam/client';
import { parseArgs } from 'node:util';
import { DEFAULTS } from './analysis.ts';
import { report } from './report.ts';
import { TOPIC, watch } from './watch.ts';

const { values } = parseArgs({
    options: {
        host: { type: 'string', default: 'http://127.0.0.1:8484/mcp' },
        filters: { type: 'string' },
        every: { type: 'string', default: '60' },
        window: { type: 'string', default: String(DEFAULTS.windowS) },
        step: { type: 'string', default: String(DEFAULTS.stepS) },
        least: { type: 'string', default: String(DEFAULTS.least) },
        times: { type: 'string', default: String(DEFAULTS.times) },
    },
});
const number = (name: 'every' | 'window' | 'step' | 'least' | 'times') => {
    const value = Number(values[name]);
    if (value > 0 && Number.isFinite(value)) return value;
    console.error(`--${name} is a number above 0`);
    process.exit(2);
};

const client = new CofferdamClient({ url: values.host });
client.on('error', (error) => console.error(`${error.code}: ${error.message}`));
client.on('connection-status', ({ of, status }) => of === TOPIC && console.error(status));

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort());
try {
    const watched = watch(client, {
        signal: stop.signal,
        ...(values.filters !== undefined && { filters: JSON.parse(values.filters) as Filters }),
        analysis: { windowS: number('window'), stepS: number('step'), least: number('least'), times: number('times') },
        onBurst: ({ burst }) => console.error(`burst: ${burst.severity} in ${burst.source}`),
    });
    const print = () => console.log(`${report(watched.analysis, watched.explained, watched.missed)}\n`);
    const timer = setInterval(print, number('every') * 1000);
    await watched.done.finally(() => clearInterval(timer));
    print();
} catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
} finally {
    await client.close();
}
