// What the code for a table has to look like. The prompt asks for it, and the compiler checks it.
import type { Column, Table } from './cofferdam.ts';

/** `order_items` becomes `OrderItems`. */
export function typeName(table: string): string {
    const words = table.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
    const name = words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
    return /^\p{L}/u.test(name) ? name : `Table${name}`;
}

/** Two tables may not end up in one file. */
export function fileName(table: string): string {
    return `${typeName(table).replace(/(?<=[\p{Ll}\p{N}])(?=\p{Lu})/gu, '-').toLowerCase()}.ts`;
}

/** What values are in JavaScript, as the `database` plugin tells them, by the words in a column's type. Others are left open. */
const VALUES: [RegExp, string][] = [
    [/\b(?:(?:tiny|small|medium|big)?int(?:eger|\d)?|(?:small|big)?serial|real|double|float\d?|numeric|decimal)\b/, 'number'],
    [/\b(?:\w*char|character|clob|text|date|datetime|time|timestamp|timestamptz|uuid)\b/, 'string'],
    [/\bbool(?:ean)?\b/, 'boolean'],
];

export function valueType({ declared_type, nullable }: Column): string {
    const declared = declared_type.toLowerCase();
    const type = VALUES.find(([words]) => words.test(declared))?.[1];
    if (type === undefined || declared.endsWith('[]')) return 'unknown';
    return nullable ? `${type} | null` : type;
}

export function keyOf(table: Table): Column[] {
    return table.columns.filter((column) => column.primary_key > 0).sort((a, b) => a.primary_key - b.primary_key);
}

/** The declarations that the code has to have. Narrower types are welcome: `'open' | 'paid'` is a `string`. */
export function signature(table: Table): string {
    const name = typeName(table.name);
    const fields = table.columns.map((column) => `    ${JSON.stringify(column.name)}: ${valueType(column)};`);
    const keys = keyOf(table).map((column, at) => `key${at}: ${name}[${JSON.stringify(column.name)}]`);
    const methods = [`    list(limit: number, offset: number): Promise<${name}[]>;`];
    if (keys.length > 0) methods.push(`    find(${keys.join(', ')}): Promise<${name} | undefined>;`);
    if (table.kind === 'table') methods.push(`    insert(row: ${name}): Promise<void>;`);
    return [
        `export interface ${name} {\n${fields.join('\n')}\n}`,
        `export class ${name}Repository {\n    constructor(database: Database);\n${methods.join('\n')}\n}`,
    ].join('\n');
}

/** A file that compiles only when the code for the table is what it has to be. */
export function checkFile(table: Table): string {
    const name = typeName(table.name);
    const columns = table.columns.map((column) => JSON.stringify(column.name));
    const lines = [
        `import { type ${name}, ${name}Repository } from './${fileName(table.name)}';`,
        `import type { Database } from './database.ts';`,
        'type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;',
        'type Fits<Value, Wanted> = 0 extends 1 & Value ? false : Value extends Wanted ? true : false;',
        `export const columns: Same<keyof ${name}, ${columns.join(' | ')}> = true;`,
    ];
    for (const [at, column] of table.columns.entries()) {
        const value = `${name}[${columns[at]}]`;
        lines.push(`export const column${at}: Fits<${value}, ${valueType(column)}> = true;`);
        if (column.nullable) lines.push(`export const nullable${at}: Fits<null, ${value}> = true;`);
    }
    const keys = keyOf(table).map((column) => `row[${JSON.stringify(column.name)}]`);
    lines.push(
        `export async function used(database: Database, row: ${name}): Promise<void> {`,
        `    const repository = new ${name}Repository(database);`,
        `    const rows: ${name}[] = await repository.list(10, 0);`,
        ...(keys.length > 0 ? [`    const found: ${name} | undefined = await repository.find(${keys.join(', ')});`, '    void found;'] : []),
        ...(table.kind === 'table' ? ['    await repository.insert(row);'] : []),
        '    void [rows, row];',
        '}',
    );
    return `${lines.join('\n')}\n`;
}
