import assert from 'node:assert/strict';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import type { TerminatorView } from '../../src/core/ports/control-view.ts';
import { adviceFor } from '../../src/explain/advice.ts';
import { certificateChecks } from '../../src/explain/certificate-checks.ts';
import { links, runChecks, type CheckResult } from '../../src/explain/check.ts';
import { installationChecks } from '../../src/explain/installation-checks.ts';
import { connectable } from '../../src/explain/listening.ts';
import { createTlsProbe, type Probe } from '../../src/explain/probe.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { ScriptedView, viewOf, type ViewOptions } from '../support/scripted-view.ts';
import { TestCa, type Leaf } from '../support/test-ca.ts';

const now = Date.parse('2026-01-01T00:00:00Z');
const day = 86_400_000;
const { signal } = new AbortController();

const terminator: TerminatorView = {
  id: 't1',
  connected: true,
  since: now,
  acknowledged: 'e.1',
  current: 'e.1',
  workers: [],
  listening: ['https://127.0.0.1:8443', 'http://127.0.0.1:8080'],
  problems: [],
  served: 1,
};

function servedBy(notAfter = now + 90 * day) {
  return [
    {
      certificateId: 'file/shop',
      versionId: 'file/shop#1',
      names: ['shop.example.com'],
      serial: '01AB',
      source: 'feed',
      since: now,
      notAfter,
      terminatorId: 't1',
      connected: true,
      fingerprint256: 'a'.repeat(64),
    },
  ];
}

interface Scene {
  readonly certificate?: ViewOptions;
  readonly probe?: Probe;
  readonly at?: number;
  readonly arrange?: (view: ScriptedView) => void;
}

async function explain({ certificate = {}, probe, at = now, arrange }: Scene): Promise<Record<string, CheckResult>> {
  const view = new ScriptedView();
  view.issuerList = [{ name: 'letsencrypt', kind: 'acme' }];
  view.terminatorList = [terminator];
  arrange?.(view);
  const deps = {
    view,
    clock: new ManualClock(at),
    probe: probe ?? (async () => ({ kind: 'shown' as const, serial: '01AB', fingerprint256: 'a', notAfter: now })),
  };
  const results = await runChecks(certificateChecks(deps), viewOf('file/shop', now, certificate), signal);
  assert.deepEqual(
    results.map((one) => one.link),
    links.filter((link) => link !== 'state'),
    'in the order of the flow',
  );
  return Object.fromEntries(results.map((one) => [one.link, one]));
}

const run = async (arrange: (view: ScriptedView) => void): Promise<Record<string, CheckResult>> => {
  const view = new ScriptedView();
  arrange(view);
  const results = await runChecks(installationChecks({ view, clock: new ManualClock(now) }), undefined, signal);
  return Object.fromEntries(results.map((one) => [one.link, one]));
};

async function tlsServer(leaf: Leaf) {
  const server = createServer({ cert: leaf.fullchainPem, key: leaf.keyPem }, (socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => await new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

const forbiddenProbe: Probe = async () => {
  throw new Error('must not be called');
};

const httpOnly = (view: ScriptedView): void =>
  void (view.terminatorList = [{ ...terminator, listening: ['http://127.0.0.1:80'] }]);

const configVerdict = async (managed: 'removed' | 'paused' | 'observed'): Promise<string | undefined> =>
  (await explain({ certificate: { status: { managed }, record: managed === 'observed' ? null : {} } }))['config']
    ?.verdict;

async function about(target: string, message: string): Promise<string | undefined> {
  const deliveries = [{ target, state: 'delivered', reason: { code: 'served', message } }] as const;
  return (await explain({ certificate: { servedBy: servedBy(), deliveries } }))['terminator']?.message;
}

suite('the checks of one certificate', () => {
  test('what is said of a terminator names it once', async () => {
    assert.equal(await about('terminator:t1', 'Served by t1 since noon.'), 'Served by t1 since noon.');
    assert.equal(await about('terminator:t1', 'Its key does not fit.'), 'terminator:t1: Its key does not fit.');
  });

  test('a healthy one is ok from the configuration to what clients are shown', async () => {
    const probed: string[] = [];
    const results = await explain({
      certificate: {
        names: ['shop.example.com', '*.shop.example.com'],
        servedBy: servedBy(),
        deliveries: [
          { target: 'files:/x', state: 'delivered', reason: { code: 'delivered', message: 'There.' } },
          { target: 'terminator:t1', state: 'delivered', reason: { code: 'served', message: 'Served.' } },
        ],
      },
      probe: async ({ host, port, servername }) => {
        probed.push(`${servername} ${host}:${port}`);
        return { kind: 'shown', serial: '01AB', fingerprint256: 'a', notAfter: now };
      },
    });
    assert.deepEqual(new Set(Object.values(results).map((one) => one.verdict)), new Set(['ok']));
    assert.deepEqual(probed, ['shop.example.com 127.0.0.1:8443', 'certplane-check.shop.example.com 127.0.0.1:8443']);
  });

  test('a failed attempt is the answer of the issuance link, with advice and the next attempt', async () => {
    const { issuance } = await explain({
      certificate: {
        status: { phase: 'failing' },
        record: { failures: 1, lastFailure: { code: 'acme.challenge-failed', message: 'It got 404.', at: now } },
        next: { action: 'retry', at: now + 60_000, reason: { code: 'backoff', message: 'After a failure.' } },
      },
    });
    assert.deepEqual(
      [issuance?.verdict, issuance?.code, issuance?.message],
      ['problem', 'acme.challenge-failed', 'It got 404. Next attempt at 2026-01-01 00:01:00 UTC.'],
    );
    assert.match(issuance?.advice ?? '', /port 80/);
  });

  test('waiting is no problem, an overdue renewal is one', async () => {
    assert.equal((await explain({ certificate: { status: { phase: 'issuing' } } }))['issuance']?.verdict, 'waiting');
    const late = await explain({ at: now + 70 * day });
    assert.deepEqual([late['issuance']?.verdict, late['issuance']?.code], ['problem', 'renewal-overdue']);
  });

  test('an issuer that is down is a problem only where no other one of the list can take over', async () => {
    const down = { code: 'issuer.unreachable', message: 'It does not answer.', until: now + 60_000 };
    const arrange = (view: ScriptedView): void => {
      view.issuerList = [
        { name: 'letsencrypt', kind: 'acme', problem: down },
        { name: 'local', kind: 'ca' },
      ];
    };
    const spec = viewOf('file/shop', now).record?.spec;
    assert.ok(spec !== undefined);
    const alone = await explain({ arrange });
    assert.equal(alone['issuer']?.verdict, 'problem');
    assert.match(alone['issuer']?.message ?? '', /tried again at 2026-01-01 00:01:00 UTC/);
    const both = await explain({
      arrange,
      certificate: { record: { spec: { ...spec, issuers: ['letsencrypt', 'local'] } } },
    });
    assert.deepEqual([both['issuer']?.verdict, both['issuer']?.code], ['ok', 'fallback-issuer']);
    const unknown = await explain({ certificate: { record: { spec: { ...spec, issuers: ['gone'] } } } });
    assert.equal(unknown['issuer']?.code, 'issuer.unknown');
  });

  test('the worst output and the worst terminator speak for the others', async () => {
    const results = await explain({
      certificate: {
        deliveries: [
          { target: 'files:/ok', state: 'delivered', reason: { code: 'delivered', message: 'There.' } },
          {
            target: 'files:/bad',
            state: 'failed',
            reason: { code: 'output.reload-failed', message: 'nginx: exit 1.' },
          },
          { target: 'terminator:t1', state: 'lagging', reason: { code: 'behind', message: 'Not acknowledged yet.' } },
        ],
      },
    });
    assert.equal(results['delivery']?.message, 'files:/bad: nginx: exit 1.');
    assert.match(results['delivery']?.advice ?? '', /reload command/);
    assert.equal(results['terminator']?.verdict, 'waiting');
  });

  test('another serial on the wire is a problem once the new version had time to arrive', async () => {
    const probe: Probe = async () => ({ kind: 'shown', serial: 'FFFF', fingerprint256: 'b', notAfter: now });
    const early = await explain({ certificate: { servedBy: servedBy() }, probe, at: now + 5_000 });
    assert.equal(early['served']?.verdict, 'waiting');
    const late = await explain({ certificate: { servedBy: servedBy() }, probe, at: now + 60_000 });
    assert.deepEqual([late['served']?.verdict, late['served']?.code], ['problem', 'serial-differs']);
    assert.match(late['served']?.message ?? '', /shows serial FFFF instead of 01AB/);
  });

  test('nothing is probed without a version, a terminator that serves it, or an address to try', async () => {
    assert.equal(
      (await explain({ certificate: { current: null }, probe: forbiddenProbe }))['served']?.verdict,
      'skipped',
    );
    assert.equal((await explain({ probe: forbiddenProbe }))['served']?.verdict, 'skipped');
    assert.equal(
      (await explain({ certificate: { servedBy: servedBy() }, probe: forbiddenProbe, arrange: httpOnly }))['served']
        ?.verdict,
      'skipped',
    );
    const none = await explain({ arrange: (view) => void (view.terminatorList = []) });
    assert.equal(none['terminator']?.verdict, 'skipped');
  });

  test('removed, paused and only observed certificates say so at the first link', async () => {
    assert.deepEqual(
      [await configVerdict('removed'), await configVerdict('paused'), await configVerdict('observed')],
      ['problem', 'waiting', 'skipped'],
    );
  });
});

suite('the checks of the installation', () => {
  test('an empty installation has no problem', async () => {
    const results = await run(() => undefined);
    assert.deepEqual(
      Object.values(results).filter((one) => one.verdict === 'problem'),
      [],
    );
  });

  test('each link names its first problem and how many more there are', async () => {
    const results = await run((view) => {
      view.problemList = [
        { code: 'config.removal-held', message: 'Half would go.', since: now },
        { code: 'store.unavailable', message: 'The disk is full.', subject: '/data', since: now },
      ];
      view.issuerList = [{ name: 'le', kind: 'acme', problem: { code: 'issuer.timeout', message: 'Slow.' } }];
      view.set(
        viewOf('file/a', now, { status: { phase: 'failing' } }),
        viewOf('file/b', now, { status: { phase: 'failing', delivery: 'failed' } }),
        viewOf('file/c', now, { servedBy: servedBy(now - 1) }),
      );
      view.terminatorList = [
        {
          ...terminator,
          problems: [{ code: 'terminator.source-unreadable', message: 'EACCES.', subject: '/certs', since: now }],
        },
      ];
    });
    assert.deepEqual(
      links.map((link) => [link, results[link]?.code]),
      [
        ['config', 'config.removal-held'],
        ['state', 'store.unavailable'],
        ['issuer', 'issuer.timeout'],
        ['issuance', 'valid'],
        ['delivery', 'no-outputs'],
        ['terminator', 'terminator.source-unreadable'],
        ['served', 'certificate.expired'],
      ],
    );
    assert.ok(Object.values(results).every((one) => one.verdict === 'problem'));
    assert.match(results['config']?.advice ?? '', /--accept-removal/);
    assert.match(results['issuance']?.message ?? '', /^file\/a: .*\(and 1 more\)$/);
    assert.match(results['terminator']?.message ?? '', /^t1: \/certs: EACCES\.$/);
  });

  test('a broken file is named once, with the first of its problems', async () => {
    const results = await run((view) => {
      const message = '/etc/c.yaml has 2 problems:\n/etc/c.yaml:1:1: error: one.\n/etc/c.yaml:2:1: error: two.';
      view.problemList = [{ code: 'config.invalid', message, subject: '/etc/c.yaml', since: now }];
    });
    assert.equal(results['config']?.message, '/etc/c.yaml has 2 problems: /etc/c.yaml:1:1: error: one.');
    assert.match(results['config'].advice ?? '', /certplane check/);
  });

  test('a terminator that is gone is a problem, one that is behind only waits', async () => {
    const gone = await run((view) => void (view.terminatorList = [{ ...terminator, connected: false }]));
    assert.equal(gone['terminator']?.code, 'terminator.control-unreachable');
    const behind = await run((view) => void (view.terminatorList = [{ ...terminator, current: 'e.2' }]));
    assert.equal(behind['terminator']?.verdict, 'waiting');
  });
});

suite('the probe', () => {
  test('sees the serial and fingerprint that a server shows, trusted or not', async () => {
    const ca = await TestCa.create();
    const leaf = await ca.issue({ dnsNames: ['shop.example.com'] });
    await using server = await tlsServer(leaf);
    const shown = await createTlsProbe()(
      { host: '127.0.0.1', port: server.port, servername: 'shop.example.com' },
      signal,
    );
    assert.ok(shown.kind === 'shown');
    assert.equal(shown.serial.toLowerCase(), leaf.serial.toLowerCase());
    assert.match(shown.fingerprint256, /^[0-9a-f]{64}$/);
  });

  test('a closed port, a server that is no TLS server and one that never answers are failures, not errors', async () => {
    const silent = createTcpServer();
    const rude = createTcpServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await Promise.all([silent, rude].map((one) => new Promise<void>((done) => one.listen(0, '127.0.0.1', done))));
    const [quiet, noTls] = [silent, rude].map((one) => (one.address() as AddressInfo).port) as [number, number];
    const sockets = new Set<{ destroy(): void }>();
    silent.on('connection', (socket) => sockets.add(socket));
    try {
      const probe = createTlsProbe({ timeoutMs: 300 });
      const ask = async (port: number) => await probe({ host: '127.0.0.1', port, servername: 'a.test' }, signal);
      const timeout = await ask(quiet);
      assert.ok(timeout.kind === 'failed' && timeout.code === 'TIMEOUT');
      assert.equal((await ask(noTls)).kind, 'failed');
      const stop = new AbortController();
      const endless = createTlsProbe({ timeoutMs: 600_000 });
      const aborted = assert.rejects(endless({ host: '127.0.0.1', port: quiet, servername: 'a.test' }, stop.signal), {
        name: 'AbortError',
      });
      stop.abort();
      await aborted;
    } finally {
      for (const socket of sockets) socket.destroy();
      rude.close();
      silent.close();
    }
    const refused = await createTlsProbe()({ host: '127.0.0.1', port: quiet, servername: 'a.test' }, signal);
    assert.ok(refused.kind === 'failed' && refused.code === 'ECONNREFUSED');
  });
});

suite('listening addresses', () => {
  test('wildcard addresses become loopback, http and nonsense nothing', () => {
    assert.deepEqual(connectable('https://0.0.0.0:8443'), { host: '127.0.0.1', port: 8443 });
    assert.deepEqual(connectable('https://[::]:443'), { host: '::1', port: 443 });
    assert.deepEqual(connectable('https 127.0.0.1:8443'), { host: '127.0.0.1', port: 8443 });
    assert.deepEqual(connectable('[::1]:8443'), { host: '::1', port: 8443 });
    for (const text of ['http://127.0.0.1:80', '', 'x', 'https://a:0', 'https://a:70000', 'ftp://a:21']) {
      assert.equal(connectable(text), undefined, text);
    }
    fc.assert(fc.property(fc.string(), (text) => void connectable(text)));
  });

  test('advice exists for the common problems and is a sentence', () => {
    for (const code of [
      'config.invalid',
      'acme.challenge-failed',
      'output.reload-failed',
      'terminator.address-in-use',
    ]) {
      assert.match(adviceFor(code) ?? '', /^[A-Z].*\.$/);
    }
    assert.equal(adviceFor('no-such-code'), undefined);
    assert.equal(adviceFor('toString'), undefined);
  });
});
