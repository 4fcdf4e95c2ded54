import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import test from 'node:test';
import { backendDefaults, type Backend } from '../../../src/core/backend.ts';
import type { TerminatorSettings } from '../../../src/core/terminator.ts';
import { tlsPresets, type TlsPolicy } from '../../../src/core/tls-policy.ts';
import { checkPolicies } from '../../../src/terminator/intake/policy-check.ts';
import { Problems } from '../../../src/terminator/intake/problems.ts';
import { TrustFiles } from '../../../src/terminator/intake/trust-files.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { tempDir } from '../../support/tempdir.ts';
import { until } from '../../support/until.ts';
import { ClientCa } from '../tls/support/client-ca.ts';
import { frontSettings } from '../tls/support/front.ts';

const ca = await ClientCa.create('CA');
const lists = (await ca.revoke(['10'])) + (await ca.revoke(['11']));

function policy(caFile: string, crlFile?: string): TlsPolicy {
  const clientCertificates = { mode: 'require', caFile, crlFile, depth: 1, subjects: [] } as const;
  return { ...tlsPresets.intermediate, clientCertificates };
}

function backend(...caFiles: string[]): Backend {
  const tls = { verify: true, caFiles, minVersion: 'TLSv1.2' } as const;
  return { ...backendDefaults, endpoints: [{ host: 'b.test', port: 1, weight: 1 }], tls };
}

test('every file that settings name for trust is read: client CAs, revocation lists, CAs of backends', async () => {
  await using dir = await tempDir();
  const paths = ['everybody', 'host', 'crl', 'backend'].map((name) => dir.join(name));
  const [everybody = '', host = '', crl = '', behind = ''] = paths;
  for (const path of paths) await writeFile(path, path === crl ? lists : ca.certPem);
  const { settings } = frontSettings({ hosts: [{ names: ['a.test'], tls: policy(host, crl) }] });
  const clock = new ManualClock();
  const problems = new Problems(clock, () => undefined);
  let changes = 0;
  const files = new TrustFiles({ clock, problems, onChange: () => (changes += 1) });
  const all: TerminatorSettings = { ...settings, tls: policy(everybody), backends: { b: backend(behind) } };
  await files.update(all);
  assert.deepEqual(Object.keys(files.texts).toSorted(), paths.toSorted());
  assert.equal(files.texts[crl], lists);
  const stop = new AbortController();
  const run = files.run(stop.signal);
  await writeFile(crl, await ca.revoke(['12']));
  await clock.advance(6_000);
  await until(() => changes === 1, { what: 'the change' });
  stop.abort();
  await run;
  await files.update(settings);
  assert.deepEqual(Object.keys(files.texts).toSorted(), [host, crl].toSorted());
  assert.deepEqual(problems.list(), []);
});

test('what is no certificate, or no revocation list, or only a part of one, is not passed on', async () => {
  await using dir = await tempDir();
  const path = dir.join('file');
  const key = '-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n';
  const garbled = ca.certPem.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA');
  const cases: [text: string, as: 'ca' | 'crl', expected: RegExp][] = [
    ['', 'ca', /no CERTIFICATE block/],
    [key, 'ca', /no CERTIFICATE block/],
    [ca.certPem + ca.certPem.slice(0, 200), 'ca', /cut short/],
    [ca.certPem + garbled, 'ca', /number 2 cannot be parsed/],
    [`${ca.certPem}${'#'.repeat(1_048_576)}`, 'ca', /larger than 1 MiB/],
    [ca.certPem, 'crl', /no X509 CRL block/],
    [lists + lists.slice(0, 100), 'crl', /cut short/],
    [lists.replace(/\n.{20}/, '\nAAAAAAAAAAAAAAAAAAAA'), 'crl', /number 1 cannot be parsed/],
  ];
  for (const [text, as, expected] of cases) {
    await writeFile(path, text);
    const clock = new ManualClock();
    const problems = new Problems(clock, () => undefined);
    const files = new TrustFiles({ clock, problems, onChange: () => undefined });
    const other = dir.join('other');
    await writeFile(other, ca.certPem);
    const { settings } = frontSettings({});
    await files.update({ ...settings, tls: as === 'ca' ? policy(path) : policy(other, path) });
    assert.equal(files.texts[path], undefined);
    assert.match(problems.list()[0]?.message ?? '', expected);
  }
});

test('a revocation list that has run out is a problem that says what it means, until there is a newer one', async () => {
  await using dir = await tempDir();
  const [caFile, crlFile] = [dir.join('ca'), dir.join('crl')];
  const clock = new ManualClock(Date.now());
  await writeFile(caFile, ca.certPem);
  await writeFile(crlFile, (await ca.revoke([], new Date(clock.now() + 90_000))) + (await ca.revoke([])));
  const problems = new Problems(clock, () => undefined);
  const told: unknown[] = [];
  const files = new TrustFiles({ clock, problems, onChange: () => told.push(files.endedLists) });
  const { settings } = frontSettings({});
  await files.update({ ...settings, tls: policy(caFile, crlFile) });
  const stop = new AbortController();
  const run = files.run(stop.signal);
  await clock.advance(60_000);
  assert.deepEqual([problems.list(), files.endedLists], [[], {}]);
  told.length = 0;
  await clock.advance(31_000); // its end is what is waited for, and the workers hear of it
  assert.deepEqual(told, [{ [crlFile]: 1 }]);
  const [problem] = problems.list();
  assert.equal(problem?.code, 'terminator.policy-unusable');
  assert.match(problem.message, /ended at .*: client certificates of its CA are refused until there is a newer one/);
  await writeFile(crlFile, await ca.revoke([]));
  await until(
    async () => {
      await clock.advance(60_000);
      return problems.list().length === 0;
    },
    { what: 'the end of the problem' },
  );
  assert.deepEqual(told.at(-1), {});
  stop.abort();
  await run;
});

test('a policy that the TLS library does not take is a problem that names its hosts', () => {
  const problems = new Problems(new ManualClock(), () => undefined);
  const { settings } = frontSettings({
    hosts: [
      { names: ['a.test', 'b.test'], tls: { ...tlsPresets.modern, curves: ['nonsense'] } },
      { names: ['c.test'], tls: { ...tlsPresets.intermediate, ciphers: ['NO-SUCH-SUITE'] } },
      { names: ['d.test'], tls: tlsPresets.modern },
    ],
  });
  checkPolicies(settings, problems);
  assert.deepEqual(
    problems.list().map(({ code, subject }) => [code, subject]),
    [
      ['terminator.policy-unusable', 'a.test, b.test'],
      ['terminator.policy-unusable', 'c.test'],
    ],
  );
  checkPolicies(frontSettings({}).settings, problems);
  assert.deepEqual(problems.list(), []);
});
