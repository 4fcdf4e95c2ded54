import assert from 'node:assert/strict';
import test from 'node:test';
import { systemClock } from '../../../src/core/system-clock.ts';
import { Problems } from '../../../src/terminator/intake/problems.ts';

test('very many problems of one kind are told by their number, and all others one by one', () => {
  const problems = new Problems(systemClock, () => undefined);
  for (let i = 0; i < 5_000; i += 1)
    problems.set(`staple ${i}`, { code: 'terminator.staple-missing', message: `No answer for ${i}.` });
  for (let i = 0; i < 20; i += 1) problems.set(`worse ${i}`, { code: 'certificate.worse', message: `Worse: ${i}.` });
  const list = problems.list();
  assert.equal(list.length, 221);
  assert.equal(list[200]?.message, 'There are 4800 more problems of this kind.');
  assert.equal(list.filter(({ code }) => code === 'certificate.worse').length, 20);
  assert.equal(problems.counts().get('terminator.staple-missing'), 5_000);
  problems.clearPrefix('staple ');
  assert.equal(problems.list().length, 20);
});
