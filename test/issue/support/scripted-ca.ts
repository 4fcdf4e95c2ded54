import 'reflect-metadata';
import { once } from 'node:events';
import { webcrypto } from 'node:crypto';
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as x509 from '@peculiar/x509';
import { TestCa } from '../../support/test-ca.ts';

export type Resource =
  | 'directory'
  | 'newNonce'
  | 'newAccount'
  | 'account'
  | 'orders'
  | 'newOrder'
  | 'order'
  | 'authorization'
  | 'challenge'
  | 'finalize'
  | 'certificate';

export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A string goes out as it is, anything else as JSON. */
  readonly body?: unknown;
}

/** `stall`: no answer, ever; `endless`: a body without end; `close`: the connection is dropped. */
export type Script = Reply | 'stall' | 'endless' | 'close';

/** The state of one order; a test may change it at any time. */
export interface ScriptedOrder {
  status: string;
  authorization: string;
  names: string[];
  error?: unknown;
  challengeError?: unknown;
  certificate?: string;
}

/**
 * A CA for what a real one cannot be made to do: every resource can be answered by the test's own words. Left alone it
 * issues: an order gets ready when a challenge is responded to, and valid when it is finalized.
 */
export interface ScriptedCa extends AsyncDisposable {
  readonly directoryUrl: string;
  readonly caPem: string;
  /** Resources asked for so far, newNonce included. */
  readonly requests: Resource[];
  readonly orders: ScriptedOrder[];
  /** The next answers of a resource, one after another; then it answers by itself again. */
  next(resource: Resource, ...scripts: (Script | (() => Script))[]): void;
  /** All answers of a resource from now on. */
  always(resource: Resource, script: Script | (() => Script)): void;
  /** Resolves when the resource has been asked for that often. */
  asked(resource: Resource, times?: number): Promise<void>;
  /** What the certificate is made for instead of the request: other names, or another key. */
  tamper: { names?: string[]; otherKey?: boolean };
  problem(type: string, detail: string, rest?: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>>;
}

const key = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export async function startScriptedCa(): Promise<ScriptedCa> {
  const trust = await TestCa.create('Scripted directory CA');
  const server = await trust.issue({ dnsNames: ['localhost'] });
  const issuingKeys = await webcrypto.subtle.generateKey(key, true, ['sign', 'verify']);
  const scripts = new Map<Resource, (Script | (() => Script))[]>();
  const permanent = new Map<Resource, Script | (() => Script)>();
  const waiting = new Set<() => void>();
  let nonces = 0;

  const https = createServer({ cert: server.certPem, key: server.keyPem }, (request, response) => {
    void answer(request, response);
  });
  https.listen(0, '127.0.0.1');
  await once(https, 'listening');
  const base = `https://localhost:${(https.address() as AddressInfo).port}`;

  const ca: ScriptedCa = {
    directoryUrl: `${base}/directory`,
    caPem: trust.certPem,
    requests: [],
    orders: [],
    tamper: {},
    next: (resource, ...more) => void scripts.set(resource, [...(scripts.get(resource) ?? []), ...more]),
    always: (resource, script) => void permanent.set(resource, script),
    async asked(resource, times = 1) {
      while (ca.requests.filter((one) => one === resource).length < times) {
        const { promise, resolve } = Promise.withResolvers<void>();
        waiting.add(resolve);
        await promise;
      }
    },
    problem: (type, detail, rest) => ({ type: `urn:ietf:params:acme:error:${type}`, detail, ...rest }),
    async [Symbol.asyncDispose]() {
      https.closeAllConnections();
      await new Promise((resolve) => https.close(resolve));
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, resource, id] = (request.url ?? '').split('/') as [string, Resource, string?];
    let text = '';
    for await (const chunk of request.setEncoding('utf8')) text += chunk as string;
    ca.requests.push(resource);
    for (const wake of waiting) wake();
    waiting.clear();
    const scripted = scripts.get(resource)?.shift() ?? permanent.get(resource);
    const script = typeof scripted === 'function' ? scripted() : scripted;
    if (script === 'stall') return;
    if (script === 'close') return void request.socket.destroy();
    nonces += 1;
    response.setHeader('replay-nonce', `nonce-${nonces}`);
    if (script === 'endless') return endless(response);
    const { status = 200, headers = {}, body } = script ?? (await byItself(resource, Number(id), payloadOf(text)));
    const json = typeof body !== 'string';
    const type =
      status >= 400 ? 'application/problem+json' : json ? 'application/json' : 'application/pem-certificate-chain';
    response.writeHead(status, { 'content-type': type, ...headers });
    response.end(request.method === 'HEAD' ? undefined : json ? JSON.stringify(body) : body);
  }

  async function byItself(resource: Resource, id: number, payload: Record<string, unknown>): Promise<Reply> {
    const order = ca.orders[id];
    const url = (kind: Resource): string => `${base}/${kind}/${id}`;
    switch (resource) {
      case 'directory': {
        const urls = (['newNonce', 'newAccount', 'newOrder'] as const).map((name) => [name, `${base}/${name}`]);
        return { body: { ...Object.fromEntries(urls), meta: { termsOfService: `${base}/terms` } } };
      }
      case 'newNonce':
        return { body: {} };
      case 'newAccount':
        return { status: 201, headers: { location: `${base}/account/1` }, body: { status: 'valid' } };
      case 'account':
        return { body: { status: 'valid', orders: `${base}/orders` } };
      case 'orders':
        return { body: { orders: ca.orders.map((_, i) => `${base}/order/${i}`) } };
      case 'newOrder': {
        const names = (payload['identifiers'] as { value: string }[]).map(({ value }) => value);
        ca.orders.push({ status: 'pending', authorization: 'pending', names });
        const i = ca.orders.length - 1;
        return { status: 201, headers: { location: `${base}/order/${i}` }, body: describe(i) };
      }
      case 'order':
        return order === undefined ? notFound : { body: describe(id) };
      case 'authorization': {
        if (order === undefined) return notFound;
        const { authorization: status, challengeError: error } = order;
        const challenge = { type: 'http-01', url: url('challenge'), token: 'a-token-of-good-length', status, error };
        return { body: { status, identifier: { type: 'dns', value: order.names[0] }, challenges: [challenge] } };
      }
      case 'challenge':
        if (order === undefined) return notFound;
        Object.assign(order, { status: 'ready', authorization: 'valid' });
        return { body: { type: 'http-01', url: url('challenge'), status: 'processing' } };
      case 'finalize':
        if (order === undefined) return notFound;
        order.certificate = await sign(String(payload['csr']), order.names);
        order.status = 'valid';
        return { body: describe(id) };
      case 'certificate':
        return order?.certificate === undefined ? notFound : { body: order.certificate };
    }
  }

  function describe(id: number): object {
    const { status, names, error, certificate } = ca.orders[id] as ScriptedOrder;
    return {
      status,
      error,
      identifiers: names.map((value) => ({ type: 'dns', value })),
      authorizations: [`${base}/authorization/${id}`],
      finalize: `${base}/finalize/${id}`,
      certificate: certificate === undefined ? undefined : `${base}/certificate/${id}`,
    };
  }

  async function sign(csr: string, names: readonly string[]): Promise<string> {
    const request = new x509.Pkcs10CertificateRequest(Buffer.from(csr, 'base64url'));
    const other = await webcrypto.subtle.generateKey(key, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: '40'.padEnd(32, '1'),
      issuer: 'CN=Scripted CA',
      notBefore: new Date('2025-12-31T00:00:00Z'),
      notAfter: new Date('2026-03-31T00:00:00Z'),
      publicKey: ca.tamper.otherKey === true ? other.publicKey : request.publicKey,
      signingKey: issuingKeys.privateKey,
      signingAlgorithm: key,
      extensions: [
        new x509.SubjectAlternativeNameExtension(
          (ca.tamper.names ?? names).map((value) => ({ type: 'dns' as const, value })),
          true,
        ),
      ],
    });
    return `${certificate.toString('pem')}\n`;
  }

  return ca;
}

const notFound: Reply = {
  status: 404,
  body: { type: 'urn:ietf:params:acme:error:malformed', detail: 'no such thing' },
};

function payloadOf(text: string): Record<string, unknown> {
  if (text === '') return {};
  const { payload } = JSON.parse(text) as { payload: string };
  return payload === '' ? {} : (JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>);
}

function endless(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  const chunk = Buffer.alloc(65_536, '{"a":');
  const write = (): void => {
    while (!response.destroyed && response.write(chunk));
    if (!response.destroyed) response.once('drain', write);
  };
  write();
}
