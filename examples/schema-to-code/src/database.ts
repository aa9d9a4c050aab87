/** What the repositories beside this file read and write by. Values go as parameters, never into the text of a statement. */
export interface Database {
    query(sql: string, parameters: readonly unknown[]): Promise<unknown[]>;
    execute(sql: string, parameters: readonly unknown[]): Promise<number>;
}
