// node src/main.ts --model-url URL --model NAME --out FOLDER [--host URL] [--database NAME] [--table NAME]...
import { CofferdamClient } from '@cofferdam/client';
import { parseArgs } from 'node:util';
import { readSchema } from './cofferdam.ts';
import { generate } from './generate.ts';

const { values } = parseArgs({
    options: {
        host: { type: 'string', default: 'http://127.0.0.1:8484/mcp' },
        'model-url': { type: 'string' },
        model: { type: 'string' },
        out: { type: 'string' },
        database: { type: 'string' },
        table: { type: 'string', multiple: true },
    },
});
const { host, model: name, out, table: wanted } = values;
const url = values['model-url'];
if (!url || !name || !out) {
    console.error('usage: node src/main.ts --model-url URL --model NAME --out FOLDER [--host URL] [--database NAME] [--table NAME]...');
    process.exit(2);
}

const client = new CofferdamClient({ url: host });
try {
    const schema = await readSchema(client, values.database);
    if (wanted) {
        const missing = wanted.filter((name) => !schema.tables.some((table) => table.name === name));
        if (missing.length > 0) throw new Error(`there is no table ${missing.join(', ')}`);
        schema.tables = schema.tables.filter((table) => wanted.includes(table.name));
    }
    const { files, questions } = await generate(schema, { url, name, key: process.env.MODEL_API_KEY }, out, console.error);
    console.log(`${files.length} files in ${out}, ${schema.tables.length} tables, ${questions} questions`);
} catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
} finally {
    await client.close();
}
