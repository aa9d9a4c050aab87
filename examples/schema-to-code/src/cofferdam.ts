// What this example wants of the bundled `database` plugin.
import type { CofferdamClient } from '@cofferdam/client';
import type { Database } from './database.ts';

export interface Column {
    name: string;
    declared_type: string;
    nullable: boolean;
    default_value: string | null;
    /** Its place in the primary key, from 1; 0 when it is not in it. */
    primary_key: number;
    generated: boolean;
}

export interface Table {
    name: string;
    kind: string;
    columns: Column[];
    constraints?: { kind: string; columns: string[]; definition: string | null }[];
    relationships?: { columns: string[]; references_table: string; references_columns: string[] }[];
}

export interface Schema {
    database: string;
    engine: string;
    tables: Table[];
}

export async function readSchema(client: CofferdamClient, database?: string): Promise<Schema> {
    const parameters = { include_indexes: false, ...(database === undefined ? {} : { database }) };
    const { result, stale } = await client.query<Schema>('database_schema', parameters);
    if (stale) throw new Error('the host cannot be reached, and code from an old schema helps nobody');
    return result;
}

/** A database behind a Cofferdam host, for the generated code. */
export function databaseOf(client: CofferdamClient): Database {
    return {
        async query(sql, parameters) {
            const { result } = await client.query<{ rows: unknown[]; truncated: string | null }>('database_query', { sql, parameters });
            if (result.truncated !== null) throw new Error(`not all rows arrived: ${result.truncated}`);
            return result.rows;
        },
        async execute(sql, parameters) {
            const { result } = await client.update<{ rows_affected: number }>('database_execute', { sql, parameters });
            return result.rows_affected;
        },
    };
}
