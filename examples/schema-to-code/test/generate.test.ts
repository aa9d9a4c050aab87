import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CofferdamClient } from '@cofferdam/client';
import { root, startHost, temporaryFolder, type Host } from '../../../tests/examples/host.mts';
import { codeOf } from '../src/check.ts';
import { databaseOf, readSchema, type Schema } from '../src/cofferdam.ts';
import { fileName, typeName, valueType } from '../src/contract.ts';
import type { Database } from '../src/database.ts';
import { generate } from '../src/generate.ts';
import { standInModel, type Mistake } from './model.ts';

let host: Host;
let folder: string;
let client: CofferdamClient;
let schema: Schema;
before(async () => {
    folder = await temporaryFolder();
    const shop = `[databases.main]\nengine = "sqlite"\npath = "shop.db"\ninit = ${JSON.stringify(join(root, 'examples/data/shop.sql'))}\n`;
    host = await startHost({ plugins: { database: undefined }, settings: shop });
    client = new CofferdamClient({ url: host.url });
    schema = await readSchema(client);
});
after(async () => {
    await client.close();
    await host.stop();
    await rm(folder, { recursive: true, force: true });
});

const only = (...names: string[]): Schema => ({ ...schema, tables: schema.tables.filter(({ name }) => names.includes(name)) });

interface Repository {
    list(limit: number, offset: number): Promise<Record<string, unknown>[]>;
    find(...keys: unknown[]): Promise<Record<string, unknown> | undefined>;
    insert(row: Record<string, unknown>): Promise<void>;
}
type Generated = Record<string, new (database: Database) => Repository>;

test('the program writes code that works on the database it was made from', async () => {
    await using model = await standInModel();
    const out = join(folder, 'shop');
    const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
    const args = [main, '--host', host.url, '--model-url', model.url, '--model', 'stand-in', '--out', out];
    const child = spawn(process.execPath, args, { env: { ...process.env, MODEL_API_KEY: 'key' }, stdio: ['ignore', 'pipe', 'inherit'] });
    const code = new Promise((resolve) => child.on('close', resolve));
    assert.equal(await text(child.stdout), `8 files in ${out}, 6 tables, 6 questions\n`);
    assert.equal(await code, 0);
    assert.deepEqual(new Set(model.requests.map(({ authorization, model }) => `${authorization} ${model}`)), new Set(['Bearer key stand-in']));
    assert.deepEqual(
        (await readdir(out)).sort(),
        ['categories', 'customers', 'database', 'index', 'order-items', 'order-totals', 'orders', 'products'].map((name) => `${name}.ts`),
    );
    assert.match(await readFile(join(out, 'orders.ts'), 'utf8'), /"status": 'open' \| 'paid' \| 'shipped' \| 'returned';/);

    const made = (await import(pathToFileURL(join(out, 'index.ts')).href)) as Generated;
    const repository = (name: string) => new (made[`${name}Repository`] ?? assert.fail(name))(databaseOf(client));
    assert.deepEqual(await repository('OrderItems').find(1, 1), { order_id: 1, line: 1, sku: 'P0001', quantity: 1, price_cents: 8_118 });
    assert.equal((await repository('OrderTotals').list(3, 1)).length, 3);
    assert.equal(await repository('Customers').find(0), undefined);
    const added = { id: 501, name: "Robert'); DROP TABLE customers;--", email: 'b@example.com', country: 'DE', created_on: '2026-01-01' };
    await repository('Customers').insert(added);
    assert.deepEqual(await repository('Customers').find(501), added);
});

test('what is not good enough goes back to the model with the reasons', async () => {
    const check = async (answer: Mistake['answer'], expected: RegExp) => {
        await using model = await standInModel([{ table: 'orders', answer }]);
        const { questions } = await generate(only('orders', 'customers'), { url: model.url, name: 'm' }, join(folder, 'again'));
        assert.equal(questions, 3);
        assert.match(model.requests[2]?.messages.at(-1)?.content ?? '', expected);
        assert.deepEqual(model.requests[2]?.messages.map(({ role }) => role), ['system', 'user', 'assistant', 'user']);
    };
    const changed = (from: string | RegExp, to: string) => (code: string) => JSON.stringify({ code: code.replace(from, to) });
    await check(() => 'Here is your code!', /not JSON/);
    await check(() => '{"files": []}', /text `code`/);
    await check(changed('"ordered_on": string', '"ordered_on": Date'), /check\.orders\.ts.*error TS2322/);
    await check(changed('"ordered_on": string', '"orderedOn": string'), /error TS/);
    await check(changed('async find', 'async findByKey'), /'find' does not exist/);
    await check((code) => JSON.stringify({ code: `${code}\nfetch('http://example.com/');` }), /'fetch'/);
});

test('nothing is written when the model does not get it right', async () => {
    await using model = await standInModel([{ table: 'orders', answer: () => '{"code": "export {};"}', always: true }]);
    const out = join(folder, 'nothing');
    const log: string[] = [];
    const failed = generate(only('orders', 'customers'), { url: model.url, name: 'm' }, out, (line) => log.push(line));
    await assert.rejects(failed, /no good code for orders in 3 rounds/);
    assert.equal(model.requests.length, 4);
    assert.equal(log.length, 3);
    await assert.rejects(readdir(out), { code: 'ENOENT' });
    await assert.rejects(generate(only(), { url: model.url, name: 'm' }, out), /no tables/);
    await assert.rejects(generate(only('orders'), { url: `${model.url}/nowhere`, name: 'm' }, out), /answered 404/);
});

test('code is refused that a compiler takes', () => {
    const check = (code: string, expected: RegExp) => assert.match(codeOf(JSON.stringify({ code })).complaints.join('\n'), expected);
    check('const sql = `SELECT ${name}`;', /put into texts/);
    check('let row: any;', /no need of `any`/);
    check('new Function("")', /code is not made/);
    check('await import("node:fs")', /nothing is loaded/);
    check('import fs from "node:fs";', /nothing is imported/);
    check("import 'node:fs';", /nothing is imported/);
    check("export * from './other.ts';", /nothing is imported/);
    check('// @ts-nocheck', /look away/);
    assert.deepEqual(codeOf('{"code": "import type { Database } from \'./database.ts\';"}').complaints, []);
});

test('names and types come from the schema', () => {
    const check = (table: string, type: string, file: string) => assert.deepEqual([typeName(table), fileName(table)], [type, file]);
    check('order_items', 'OrderItems', 'order-items.ts');
    check('users', 'Users', 'users.ts');
    check('../../etc/passwd', 'EtcPasswd', 'etc-passwd.ts');
    check('2024 sales', 'Table2024Sales', 'table2024-sales.ts');
    const column = { name: 'c', default_value: null, primary_key: 0, generated: false };
    const value = (declared_type: string, nullable: boolean, expected: string) =>
        assert.equal(valueType({ ...column, declared_type, nullable }), expected);
    value('INTEGER', false, 'number');
    value('VARCHAR(20)', true, 'string | null');
    value('boolean', false, 'boolean');
    value('timestamp with time zone', false, 'string');
    value('numeric(10,2)', true, 'number | null');
    value('character varying(20)', false, 'string');
    for (const open of ['jsonb', 'point', 'interval', 'integer[]', '']) value(open, true, 'unknown');
});
