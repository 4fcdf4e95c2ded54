import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load } from './loading.ts';

const count = 30_000;

function fleet(issuer: string): string {
  const lines = ['issuers: { local: { ca: {} } }', 'certificates:'];
  for (let i = 0; i < count; i += 1) {
    lines.push(
      `  cert-${i}:`,
      `    dnsNames: [host-${i}.example.com, "*.host-${i}.example.com"]`,
      `    issuers: [${issuer}]`,
      `    outputs: [{ files: { directory: ./live/${i} }, reloadCommand: [nginx, -s, reload] }]`,
    );
  }
  lines.push('terminator:', '  routes:');
  for (let i = 0; i < count; i += 10) lines.push(`    - { hosts: [www.host-${i}.example.com], respond: {} }`);
  return lines.join('\n');
}

test('a file with 30,000 certificates is read', async (t) => {
  const startedAt = performance.now();
  const { config, problems } = await load(fleet('local'));
  t.diagnostic(`${Math.round(performance.now() - startedAt)} ms`);
  assert.deepEqual(problems, []);
  assert.equal(config?.certificates.length, count, 'every route host is covered');
  assert.equal(config?.terminator?.routes.length, count / 10);
});

test('30,000 problems are all found, each at its line', async (t) => {
  const startedAt = performance.now();
  const { problems } = await load(fleet('lokal'));
  t.diagnostic(`${Math.round(performance.now() - startedAt)} ms`);
  assert.equal(problems.length, count);
  assert.deepEqual(problems.at(-1), {
    path: `certificates.cert-${count - 1}.issuers[0]`,
    line: 2 + 4 * (count - 1) + 3,
    column: 15,
    message: 'There is no issuer "lokal"; write local.',
    severity: 'error',
  });
});
