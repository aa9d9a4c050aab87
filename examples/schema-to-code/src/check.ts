// Whether what the model wrote is what was asked for.
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Table } from './cofferdam.ts';
import { checkFile, fileName } from './contract.ts';

/** Nothing of these is in the compiler's way, and nothing of them has business in a repository. */
const FORBIDDEN: [RegExp, string][] = [
    [/\$\{/, 'values and names are not put into texts with `${`'],
    [/\bany\b/, 'there is no need of `any`'],
    [/\b(?:eval|Function|globalThis)\b/, 'code is not made while it runs'],
    [/\bimport\s*\(|\brequire\b/, 'nothing is loaded while it runs'],
    [/@ts-/, 'the compiler is not told to look away'],
];

/** The code in an answer, or what is wrong with it at first sight. */
export function codeOf(answer: string): { code: string; complaints: string[] } {
    let code: unknown;
    try {
        ({ code } = JSON.parse(answer) as { code?: unknown });
    } catch (error) {
        return { code: '', complaints: [`the answer is not JSON: ${String(error)}`] };
    }
    if (typeof code !== 'string') return { code: '', complaints: ['the answer is not an object with the text `code`'] };
    const found = FORBIDDEN.filter(([pattern]) => pattern.test(code)).map(([, why]) => why);
    const sources = [...code.matchAll(/\b(?:import|from)\s*(['"])(.*?)\1/g)].map((match) => match[2]);
    if (sources.some((source) => source !== './database.ts')) found.push("nothing is imported but './database.ts'");
    return { code, complaints: found };
}

const COMPILER_OPTIONS = {
    target: 'ES2023',
    // No names of a platform: code that wants to reach the network, files or processes does not compile.
    lib: ['ES2023'],
    types: [],
    module: 'NodeNext',
    allowImportingTsExtensions: true,
    noEmit: true,
    strict: true,
    noUncheckedIndexedAccess: true,
    erasableSyntaxOnly: true,
    verbatimModuleSyntax: true,
};

/** What the compiler says about the files of tables, by the table's name; nothing for those that are good. */
export async function compile(files: Map<Table, string>, database: string): Promise<Map<Table, string[]>> {
    const folder = await mkdtemp(join(tmpdir(), 'schema-to-code-'));
    try {
        const put = (name: string, content: string) => writeFile(join(folder, name), content);
        await put('package.json', JSON.stringify({ type: 'module' }));
        await put('tsconfig.json', JSON.stringify({ compilerOptions: COMPILER_OPTIONS, include: ['*.ts'] }));
        await put('database.ts', database);
        for (const [table, code] of files) {
            await put(fileName(table.name), code);
            await put(`check.${fileName(table.name)}`, checkFile(table));
        }
        return sorted(await tsc(folder), [...files.keys()]);
    } finally {
        await rm(folder, { recursive: true, force: true });
    }
}

async function tsc(folder: string): Promise<string[]> {
    const program = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
    const child = spawn(process.execPath, [program, '--project', folder, '--pretty', 'false'], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
    const lines = (await text(child.stdout)).split('\n').filter((line) => line.includes('error TS'));
    if ((await ended) !== 0 && lines.length === 0) throw new Error('the compiler could not be run');
    return lines;
}

/** Every message with the table that it is about; a check that fails is the fault of the file that it checks. */
function sorted(lines: string[], tables: Table[]): Map<Table, string[]> {
    const complaints = new Map<Table, string[]>();
    for (const line of lines) {
        const file = line.replace(/\(.*$/, '').replace(/^check\./, '');
        const table = tables.find(({ name }) => fileName(name) === file);
        if (!table) throw new Error(`the compiler complains of what nobody generated: ${line}`);
        complaints.set(table, [...(complaints.get(table) ?? []), line]);
    }
    return complaints;
}
