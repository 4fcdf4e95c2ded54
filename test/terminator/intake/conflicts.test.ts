import assert from 'node:assert/strict';
import test from 'node:test';
import { bindingsOf, showConflicts } from '../../../src/terminator/intake/conflicts.ts';
import { Problems } from '../../../src/terminator/intake/problems.ts';
import { CertificateTable, type TableEntry } from '../../../src/terminator/intake/table.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const clock = new ManualClock();
const now = clock.now();

function entry(certificateId: string, names: readonly string[], source = 'feed'): TableEntry {
  const slot = `${source} ${certificateId}`;
  const validity = { notBefore: now - 1_000, notAfter: now + 1_000 };
  const rest = { serial: '01', fingerprint256: slot, chainComplete: true, rank: source === 'feed' ? 0 : 1 };
  return { slot, versionId: `${slot}#1`, certificateId, names, source, ...validity, ...rest };
}

test('of two bindings of one name the first counts, and hosts without one are free', () => {
  const bindings = bindingsOf([
    { names: ['a.test'] },
    { names: ['a.test', '*.b.test'], certificateId: 'file/one' },
    { names: ['a.test', 'c.test'], certificateId: 'file/two' },
  ]);
  assert.deepEqual(Object.fromEntries(bindings), {
    'a.test': 'file/one',
    '*.b.test': 'file/one',
    'c.test': 'file/two',
  });
});

test('what is in conflict is told with the reason, as long as it is', () => {
  const table = new CertificateTable();
  const problems = new Problems(clock, () => undefined);
  table.set(entry('file/a', ['a.test']));
  table.set(entry('seen/b', ['a.test', 'b.test'], 'files:/x'));
  showConflicts(table, problems, now);
  assert.deepEqual(
    problems.list().map(({ code, subject, message }) => [code, subject, message]),
    [
      [
        'terminator.certificate-conflict',
        'a.test',
        "file/a (feed) and seen/b (files:/x) both carry a.test. file/a serves it, because Certplane's own certificates come before files, and files before Secrets.",
      ],
    ],
  );
  table.delete('feed file/a');
  showConflicts(table, problems, now);
  assert.deepEqual(problems.list(), []);
});

test('a hundred conflicts are fifty problems and a number', () => {
  const table = new CertificateTable();
  const problems = new Problems(clock, () => undefined);
  const names = Array.from({ length: 100 }, (_, i) => `${i}.test`);
  table.set(entry('file/a', names));
  table.set(entry('file/b', names));
  showConflicts(table, problems, now);
  assert.equal(problems.list().length, 51);
  assert.match(problems.list().at(-1)?.message ?? '', /50 more/);
});
