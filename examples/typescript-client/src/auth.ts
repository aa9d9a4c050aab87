import type { Clock } from './clock.ts';
import { CofferdamError, textOf } from './errors.ts';
import { parseRetryAfter } from './retry.ts';

/** How the client shows who it is. */
export type Auth = BearerAuth | ApiKeyAuth | ClientCredentialsAuth;

/** `Authorization: Bearer <token>`; a function is asked for the token at every request. */
export interface BearerAuth {
    type: 'bearer';
    token: string | (() => string | Promise<string>);
}

/** A key in a header, `X-API-Key` unless another is named. */
export interface ApiKeyAuth {
    type: 'api-key';
    key: string;
    header?: string;
}

/** OAuth 2.0 client credentials (RFC 6749, 4.4). */
export interface ClientCredentialsAuth {
    type: 'client-credentials';
    tokenUrl: string | URL;
    clientId: string;
    clientSecret: string;
    scope?: string;
    /** The resource that the token is for (RFC 8707). */
    resource?: string;
    /** Where the secret goes: into the header, or into the body for servers that want it there. */
    secretIn?: 'header' | 'body';
    /** How long before it expires a token is renewed, in milliseconds; 30 s. Never more than half of its life. */
    renewBeforeMs?: number;
}

/** A way to show who the client is, in use. */
export interface Credentials {
    /** The header fields for the next request. */
    headers(): Promise<Record<string, string>>;
    /** Called when the host has refused these fields: whether it is worth asking for others. */
    refused(headers: Record<string, string>): boolean;
}

/** What the token endpoint is reached with. */
export interface Reach {
    fetch: typeof fetch;
    clock: Clock;
    timeoutMs: number;
}

export function credentials(auth: Auth | undefined, reach: Reach): Credentials {
    switch (auth?.type) {
        case undefined:
            return { headers: async () => ({}), refused: () => false };
        case 'bearer': {
            const { token } = auth;
            if (typeof token === 'string') return fixed({ authorization: `Bearer ${token}` });
            return { headers: async () => ({ authorization: `Bearer ${await token()}` }), refused: () => true };
        }
        case 'api-key':
            return fixed({ [(auth.header ?? 'x-api-key').toLowerCase()]: auth.key });
        case 'client-credentials':
            return new ClientCredentials(auth, reach);
    }
}

function fixed(headers: Record<string, string>): Credentials {
    return { headers: async () => headers, refused: () => false };
}

interface Token {
    value: string;
    renewAtMs: number;
    expiresAtMs: number;
}

/** How long a token is used that does not say how long it lives. */
const UNKNOWN_LIFE_S = 300;

/** Keeps one token, asks for the next one before it expires, and asks once however many requests wait for it. */
export class ClientCredentials implements Credentials {
    readonly #auth: ClientCredentialsAuth;
    readonly #reach: Reach;
    #token: Token | undefined;
    #asking: Promise<Token> | undefined;

    constructor(auth: ClientCredentialsAuth, reach: Reach) {
        this.#auth = auth;
        this.#reach = reach;
    }

    async headers(): Promise<Record<string, string>> {
        const now = this.#reach.clock.now();
        let token = this.#token;
        if (!token || now >= token.expiresAtMs) {
            token = await this.#renew();
        } else if (now >= token.renewAtMs) {
            // The old one is good for a while: nobody waits, and a token endpoint that is down for a moment hurts nobody.
            this.#renew().catch(() => {});
        }
        return { authorization: `Bearer ${token.value}` };
    }

    refused(headers: Record<string, string>): boolean {
        // Another request may have seen to it already.
        if (this.#token && headers.authorization === `Bearer ${this.#token.value}`) this.#token = undefined;
        return true;
    }

    #renew(): Promise<Token> {
        this.#asking ??= this.#ask()
            .then((token) => (this.#token = token))
            .finally(() => (this.#asking = undefined));
        return this.#asking;
    }

    async #ask(): Promise<Token> {
        const { fetch, clock, timeoutMs } = this.#reach;
        const asked = clock.now();
        let response: Response, body: unknown;
        try {
            response = await fetch(this.#auth.tokenUrl, { ...this.#request(), redirect: 'error', signal: AbortSignal.timeout(timeoutMs) });
            body = await response.json().catch(() => undefined);
        } catch (error) {
            throw new CofferdamError('unreachable', `the token endpoint cannot be reached: ${textOf(error)}`, { cause: error });
        }
        if (!response.ok) throw refusal(response, body, asked);
        return this.#tokenFrom(body, asked);
    }

    #request(): RequestInit {
        const { clientId, clientSecret, scope, resource, secretIn } = this.#auth;
        const form = new URLSearchParams({ grant_type: 'client_credentials' });
        if (scope !== undefined) form.set('scope', scope);
        if (resource !== undefined) form.set('resource', resource);
        const headers: Record<string, string> = { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' };
        if (secretIn === 'body') {
            form.set('client_id', clientId);
            form.set('client_secret', clientSecret);
        } else {
            headers.authorization = `Basic ${btoa(`${formEncoded(clientId)}:${formEncoded(clientSecret)}`)}`;
        }
        return { method: 'POST', headers, body: form.toString() };
    }

    #tokenFrom(body: unknown, asked: number): Token {
        const { access_token, token_type, expires_in } = (body ?? {}) as Record<string, unknown>;
        if (typeof access_token !== 'string' || access_token === '' || String(token_type).toLowerCase() !== 'bearer') {
            throw new CofferdamError('unauthorized', 'the token endpoint answered without a bearer token');
        }
        const seconds = Number(expires_in ?? UNKNOWN_LIFE_S);
        const lifeMs = (Number.isFinite(seconds) && seconds > 0 ? seconds : UNKNOWN_LIFE_S) * 1000;
        const beforeMs = Math.min(this.#auth.renewBeforeMs ?? 30_000, lifeMs / 2);
        return { value: access_token, renewAtMs: asked + lifeMs - beforeMs, expiresAtMs: asked + lifeMs };
    }
}

/** Nothing was done yet when a token could not be had, so that even updates can wait for an endpoint that is only busy. */
function refusal(response: Response, body: unknown, now: number): CofferdamError {
    const { error, error_description } = (body ?? {}) as Record<string, unknown>;
    const why = typeof error === 'string' ? [error, error_description].filter(Boolean).join(': ') : response.statusText;
    const code = response.status === 429 || response.status >= 500 ? 'busy' : 'unauthorized';
    const retryAfterMs = parseRetryAfter(response.headers.get('retry-after'), now);
    return new CofferdamError(code, `the token endpoint answered ${response.status}: ${why}`, { status: response.status, retryAfterMs });
}

/** As RFC 6749, 2.3.1 wants identifier and secret within the Basic scheme. */
function formEncoded(text: string): string {
    return new URLSearchParams({ '': text }).toString().slice(1);
}
