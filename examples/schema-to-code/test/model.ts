// A stand-in for a model: answers like an endpoint of OpenAI's chat completions, with code that it makes from the table in the question.
// The same question always gets the same answer; tables that it is told to get wrong at first are right when it is asked again.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Table } from '../src/cofferdam.ts';

interface Request {
    model: string;
    messages: { role: string; content: string }[];
    response_format: { type: string };
}

/** What goes wrong with the answer for a table, and whether it does so every time. */
export interface Mistake {
    table: string;
    answer: (code: string) => string;
    always?: boolean;
}

export async function standInModel(mistakes: Mistake[] = []) {
    const requests: (Request & { authorization: string | undefined })[] = [];
    const server = createServer(async (incoming, outgoing) => {
        const request = JSON.parse(await text(incoming)) as Request;
        requests.push({ ...request, authorization: incoming.headers.authorization });
        const asked = request.messages.find(({ role }) => role === 'user')?.content ?? '';
        const table = JSON.parse(/```json\n([^]*?)\n```/.exec(asked)?.[1] ?? '') as Table;
        const signature = /```ts\n([^]*?)\n```/.exec(asked)?.[1] ?? '';
        const code = write(table, signature);
        const mistake = mistakes.find((each) => each.table === table.name && (each.always || request.messages.length === 2));
        const content = mistake ? mistake.answer(code) : JSON.stringify({ code });
        const message = { role: 'assistant', content };
        const body = { object: 'chat.completion', model: request.model, choices: [{ index: 0, message, finish_reason: 'stop' }] };
        const found = incoming.method === 'POST' && incoming.url === '/v1/chat/completions';
        outgoing.writeHead(found ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const end = async () => {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
    };
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, requests, [Symbol.asyncDispose]: end };
}

/** The interface of the signature with unions from check constraints, and a class for the declared one. */
function write(table: Table, signature: string): string {
    const split = signature.indexOf('export class');
    let row = signature.slice(0, split).trim();
    for (const { definition, columns } of table.constraints ?? []) {
        const values = /^\w+ IN \((.*)\)$/.exec(definition ?? '')?.[1];
        if (values && columns[0]) row = row.replace(`"${columns[0]}": string`, `"${columns[0]}": ${values.split(', ').join(' | ')}`);
    }
    const name = /interface (\w+)/.exec(row)?.[1] ?? '';
    const quoted = (names: string[]) => names.map((each) => `"${each}"`).join(', ');
    const columns = table.columns.map((column) => column.name);
    const keys = table.columns.filter((column) => column.primary_key > 0).sort((a, b) => a.primary_key - b.primary_key);
    const select = `SELECT ${quoted(columns)} FROM "${table.name}"`;
    const methods = [
        `    async list(limit: number, offset: number): Promise<${name}[]> {
        return (await this.#database.query('${select} LIMIT ? OFFSET ?', [limit, offset])) as ${name}[];
    }`,
    ];
    if (keys.length > 0) {
        const parameters = keys.map((key, at) => `key${at}: ${name}['${key.name}']`).join(', ');
        const where = keys.map((key) => `"${key.name}" = ?`).join(' AND ');
        methods.push(`    async find(${parameters}): Promise<${name} | undefined> {
        const rows = await this.#database.query('${select} WHERE ${where}', [${keys.map((_, at) => `key${at}`).join(', ')}]);
        return rows[0] as ${name} | undefined;
    }`);
    }
    if (table.kind === 'table') {
        const sql = `INSERT INTO "${table.name}" (${quoted(columns)}) VALUES (${columns.map(() => '?').join(', ')})`;
        const values = columns.map((each) => `row['${each}']`).join(', ');
        methods.push(`    async insert(row: ${name}): Promise<void> {
        await this.#database.execute('${sql}', [${values}]);
    }`);
    }
    return `import type { Database } from './database.ts';

${row}

export class ${name}Repository {
    readonly #database: Database;

    constructor(database: Database) {
        this.#database = database;
    }

${methods.join('\n\n')}
}
`;
}
