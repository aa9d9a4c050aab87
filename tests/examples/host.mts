// A real host for the tests of the examples: the built binary with bundled plugins and settings of the test's choice, in a folder of its own.
import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface HostOptions {
    /** Bundled plugins, by name; with a text, that is their manifest instead of the bundled one. */
    plugins: Record<string, string | undefined>;
    /** What stands in `cofferdam.toml` besides the paths and the listeners. */
    settings?: string;
    /** The folder to run in; a new one, which is removed at the end, when it is not given. */
    folder?: string;
    /** Where to listen; any free port when it is not given. */
    port?: number;
}

export interface Host {
    /** Where it serves MCP. */
    url: string;
    folder: string;
    /** What it has written to its log. */
    log(): string;
    /** Ends it, as SIGTERM does or at once, and waits until it is gone. */
    stop(how?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

export async function startHost(options: HostOptions): Promise<Host> {
    const folder = options.folder ?? (await temporaryFolder());
    for (const [name, manifest] of Object.entries(options.plugins)) await putPlugin(folder, name, manifest);
    const listen = `[listen]\nhttp = "127.0.0.1:${options.port ?? 0}"\nadmin = "127.0.0.1:0"\n`;
    const paths = `plugins = "plugins"\nstate = ${JSON.stringify(join(root, 'target/test-state'))}\n`;
    await writeFile(join(folder, 'cofferdam.toml'), paths + listen + (options.settings ?? ''));

    const child = spawn(join(root, 'target/release/cofferdam'), ['serve', '--config', join(folder, 'cofferdam.toml')], {
        stdio: ['ignore', 'pipe', 'pipe'],
    });
    let log = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
    const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const stop = async (how: 'SIGTERM' | 'SIGKILL' = 'SIGKILL') => {
        child.kill(how);
        await gone;
        if (!options.folder) await rm(folder, { recursive: true, force: true });
    };
    try {
        const found = { MCP: '', health: '' };
        for await (const line of createInterface({ input: child.stdout })) {
            const [name, address] = [line.split(' ', 1)[0], line.slice(line.lastIndexOf(' ') + 1)];
            if (name === 'MCP' || name === 'health') found[name] = address;
            if (found.MCP && found.health) break;
        }
        if (!found.health) throw new Error('it did not say where it listens');
        child.stdout.resume();
        await until(async () => (await fetch(new URL('/readyz', found.health))).ok);
        return { url: found.MCP, folder, log: () => log, stop };
    } catch (error) {
        await stop();
        throw new Error(`the host did not become ready:\n${log}`, { cause: error });
    }
}

export function temporaryFolder(): Promise<string> {
    return mkdtemp(join(tmpdir(), 'cofferdam-example-'));
}

async function putPlugin(folder: string, name: string, manifest: string | undefined): Promise<void> {
    const [from, to] = [join(root, 'plugins', name), join(folder, 'plugins', name)];
    await mkdir(to, { recursive: true });
    await cp(join(from, `${name}.wasm`), join(to, `${name}.wasm`));
    if (manifest === undefined) await cp(join(from, 'plugin.toml'), join(to, 'plugin.toml'));
    else await writeFile(join(to, 'plugin.toml'), manifest);
}

/** Waits until something holds; an error counts as not yet. Up to 20 seconds. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = Date.now() + 20_000;
    let last: unknown = 'it does not hold';
    while (Date.now() < deadline) {
        try {
            if (await holds()) return;
        } catch (error) {
            last = error;
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error('waited for 20 seconds in vain', { cause: last });
}
