// Schema in, files out.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, compile } from './check.ts';
import type { Schema, Table } from './cofferdam.ts';
import { fileName } from './contract.ts';
import { ask, type Message, type Model } from './model.ts';
import { again, question } from './prompt.ts';

/** How often the model is asked about one table. */
const ROUNDS_MAX = 3;

export interface Generated {
    /** The files that were written. */
    files: string[];
    /** How often the model was asked. */
    questions: number;
}

/** Asks the model for the code of every table until all of it is good, and writes it. Nothing is written unless everything is good. */
export async function generate(schema: Schema, model: Model, out: string, log: (line: string) => void = () => {}): Promise<Generated> {
    check(schema);
    const database = await readFile(new URL('./database.ts', import.meta.url), 'utf8');
    const talks = new Map<Table, Message[]>(schema.tables.map((table) => [table, question(schema, table)]));
    const good = new Map<Table, string>();
    let questions = 0;
    for (let round = 1; talks.size > 0; round++) {
        const answers = new Map<Table, string>();
        const files = new Map<Table, string>();
        const complaints = new Map<Table, string[]>();
        for (const [table, messages] of talks) {
            const answer = await ask(model, messages);
            questions++;
            answers.set(table, answer);
            const first = codeOf(answer);
            if (first.complaints.length > 0) complaints.set(table, first.complaints);
            else files.set(table, first.code);
        }
        for (const [table, lines] of await compile(files, database)) complaints.set(table, lines);

        for (const [table, answer] of answers) {
            const lines = complaints.get(table);
            if (!lines) {
                good.set(table, files.get(table) ?? '');
                talks.delete(table);
                continue;
            }
            log(`${table.name}: refused in round ${round}: ${lines[0]}`);
            if (round >= ROUNDS_MAX) throw new Error(`no good code for ${table.name} in ${ROUNDS_MAX} rounds:\n${lines.join('\n')}`);
            talks.set(table, [...question(schema, table), ...again(answer, lines)]);
        }
    }
    return { files: await write(schema, good, database, out), questions };
}

function check(schema: Schema): void {
    if (schema.tables.length === 0) throw new Error(`there are no tables in ${schema.database}`);
    const names = [...schema.tables.map(({ name }) => fileName(name)), 'database.ts', 'index.ts'];
    const twice = names.find((name, at) => names.indexOf(name) !== at);
    if (twice !== undefined) throw new Error(`two things would be in ${twice}: name the tables to generate`);
}

async function write(schema: Schema, good: Map<Table, string>, database: string, out: string): Promise<string[]> {
    await mkdir(out, { recursive: true });
    const files = new Map([['database.ts', database]]);
    for (const table of schema.tables) {
        const code = good.get(table) ?? '';
        files.set(fileName(table.name), `// Written by a model from the schema of ${JSON.stringify(schema.database)}: read it before you run it.\n${code.trim()}\n`);
    }
    const lines = ["export type { Database } from './database.ts';", ...schema.tables.map(({ name }) => `export * from './${fileName(name)}';`)];
    files.set('index.ts', `${lines.join('\n')}\n`);
    for (const [name, content] of files) {
        // Whoever reads meanwhile sees the old file or the new one.
        await writeFile(join(out, `.${name}.new`), content);
        await rename(join(out, `.${name}.new`), join(out, name));
    }
    return [...files.keys()];
}
