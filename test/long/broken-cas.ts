/** One CA for each thing that a CA can do wrong, and what is expected to be said about it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from '../support/ports.ts';
import { TestCa } from '../support/test-ca.ts';
import { startScriptedCa, type Reply, type ScriptedCa } from '../issue/support/scripted-ca.ts';

export interface BrokenCa {
  /** Of the issuer and of its certificate, which is for NAME.test. */
  readonly name: string;
  readonly what: string;
  readonly code: string;
  readonly says: RegExp;
  /** What the CA's own problem document must show. */
  readonly problem?: RegExp;
  /** Breaks it. */
  readonly arrange?: (ca: ScriptedCa) => void;
}

export const stalledCertificates = Array.from({ length: 12 }, (_, i) => `stalled${i}`);

const identifier = { type: 'dns', value: 'refused.test' };

export const brokenCas: readonly BrokenCa[] = [
  { name: 'down', what: 'a CA that is down', code: 'issuer.unreachable', says: /cannot be reached \(ECONNREFUSED\)/ },
  {
    name: 'offline',
    what: 'a CA whose name does not resolve',
    code: 'issuer.unreachable',
    says: /name of .*ca\.invalid cannot be resolved/,
  },
  { name: 'untrusted', what: 'a wrong CA bundle', code: 'issuer.tls-untrusted', says: /not trusted .*caBundle/ },
  {
    name: 'limited',
    what: '429 with Retry-After',
    code: 'acme.rate-limited',
    says: /too many new orders/,
    problem: /rateLimited/,
    arrange: (ca) => {
      const body = ca.problem('rateLimited', 'too many new orders (300) from this account', { status: 429 });
      ca.always('newOrder', { status: 429, headers: { 'retry-after': '3600' }, body });
    },
  },
  {
    name: 'nonces',
    what: 'a CA that refuses every nonce',
    code: 'acme.server-error',
    says: /badNonce/,
    arrange: (ca) => ca.always('newOrder', { status: 400, body: ca.problem('badNonce', 'try again') }),
  },
  {
    name: 'invalid',
    what: 'an order that becomes invalid, with subproblems',
    code: 'acme.order-invalid',
    says: /gave up the order for invalid\.test.*refused\.test: caa, "CAA forbids it"/,
    problem: /subproblems.*refused\.test/,
    arrange: (ca) =>
      ca.always('challenge', () => {
        const subproblems = [{ ...ca.problem('caa', 'CAA forbids it'), identifier }];
        const error = ca.problem('compound', 'several problems', { subproblems });
        return endOrder(ca, { status: 'invalid', authorization: 'valid', error });
      }),
  },
  {
    name: 'refused',
    what: 'a challenge that is refused',
    code: 'acme.challenge-failed',
    says: /could not verify control of refused\.test \(connection, "no answer on port 80"\)/,
    arrange: (ca) =>
      ca.always('challenge', () =>
        endOrder(ca, {
          status: 'invalid',
          authorization: 'invalid',
          challengeError: ca.problem('connection', 'no answer on port 80'),
        }),
      ),
  },
  {
    name: 'otherkey',
    what: 'a certificate back for another key',
    code: 'certificate.key-mismatch',
    says: /key/,
    arrange: (ca) => void (ca.tamper.otherKey = true),
  },
  {
    name: 'othernames',
    what: 'a certificate back for other names',
    code: 'certificate.name-missing',
    says: /othernames\.test/,
    arrange: (ca) => void (ca.tamper.names = ['somebody-else.test']),
  },
];

function endOrder(ca: ScriptedCa, end: Partial<ScriptedCa['orders'][number]>): Reply {
  Object.assign(ca.orders.at(-1) ?? {}, end);
  return { body: { type: 'http-01', url: new URL('/challenge/0', ca.directoryUrl).href, status: 'processing' } };
}

export interface BrokenCas extends AsyncDisposable {
  /** The entries below `issuers`, indented. */
  readonly issuersYaml: string;
  newOrders(name: string): number;
}

/** Their roots are written to `dir`. */
export async function startBrokenCas(dir: string): Promise<BrokenCas> {
  await using stack = new AsyncDisposableStack();
  const other = await TestCa.create('A CA that signed nothing here');
  const [nobody = 0] = await freePorts(1);
  const running = new Map<string, ScriptedCa>();
  const issuers: string[] = [];
  const add = async (name: string, directory: string, bundlePem: string): Promise<void> => {
    await writeFile(join(dir, `${name}-root.pem`), bundlePem);
    issuers.push(
      `  ${name}: { acme: { directory: '${directory}', caBundle: ./${name}-root.pem, solvers: [{ http01: {} }] } }`,
    );
  };
  for (const { name, arrange } of brokenCas) {
    if (name === 'down') await add(name, `https://127.0.0.1:${nobody}/directory`, other.certPem);
    else if (name === 'offline') await add(name, 'https://ca.invalid/directory', other.certPem);
    else {
      const ca = stack.use(await startScriptedCa());
      running.set(name, ca);
      arrange?.(ca);
      await add(name, ca.directoryUrl, name === 'untrusted' ? other.certPem : ca.caPem);
    }
  }
  const stalled = stack.use(await startScriptedCa());
  stalled.always('directory', 'stall');
  await add('stalled', stalled.directoryUrl, stalled.caPem);
  const parts = stack.move();
  return {
    issuersYaml: issuers.join('\n'),
    newOrders: (name) => running.get(name)?.requests.filter((one) => one === 'newOrder').length ?? 0,
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
}
