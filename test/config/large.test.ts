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

test('a terminator with 10,000 hosts, backends and routes that look alike is read', async (t) => {
  const lines = ['issuers: { local: { ca: {} } }', 'terminator:'];
  const each = (section: string, entry: (i: number) => string): void => {
    lines.push(`  ${section}:`);
    for (let i = 0; i < 10_000; i += 1) lines.push(`    ${entry(i)}`);
  };
  each('hosts', (i) => `- { names: ["*.h${i}.example.com"], tls: { preset: modern } }`);
  each('backends', (i) => `b${i}: { endpoints: ["https://10.0.0.1:${i + 1}"], balance: least-connections }`);
  each(
    'routes',
    (i) => `- { hosts: ["a.h${i}.example.com", one.example.com], headers: { x-n: "${i}" }, backend: b${i} }`,
  );
  const startedAt = performance.now();
  const { config, problems } = await load(lines.join('\n'));
  t.diagnostic(`${Math.round(performance.now() - startedAt)} ms`);
  assert.deepEqual(problems, []);
  assert.equal(new Set(config?.terminator?.routes.map(({ name }) => name)).size, 10_000);
  assert.equal(Object.keys(config?.terminator?.backends ?? {}).length, 10_000);
});

test('a terminator with 10,000 routes of one name finds each another', async (t) => {
  const lines = ['issuers: { local: { ca: {} } }', 'terminator:', '  routes:'];
  for (let i = 0; i < 10_000; i += 1)
    lines.push(`    - { hosts: [a.example.com], headers: { x-n: "${i}" }, respond: {} }`);
  const startedAt = performance.now();
  const { config } = await load(lines.join('\n'));
  t.diagnostic(`${Math.round(performance.now() - startedAt)} ms`);
  assert.equal(config?.terminator?.routes.at(-1)?.name, 'a.example.com/ #10000');
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
