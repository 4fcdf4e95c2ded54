import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { listOptions, optionTable } from '../../src/config/options.ts';
import { problemsOf } from './loading.ts';

const root = join(import.meta.dirname, '..', '..');
const docs = await readFile(join(root, 'docs', 'configuration.md'), 'utf8');

/** Formatting aligns the columns; the cells are what counts. */
function cells(text: string): string[][] {
  return text
    .trim()
    .split('\n')
    .filter((line) => !/^\|[\s|-]+\|$/.test(line))
    .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()));
}

test("docs/configuration.md's option table is the schema's", () => {
  const table = /<!-- options -->([^]*)<!-- \/options -->/.exec(docs)?.[1] ?? '';
  assert.deepEqual(cells(table), cells(optionTable()));
});

test('every option has a unit, an example, a sentence, and a default unless it is required', () => {
  const options = listOptions();
  assert.ok(options.length > 50);
  for (const { path, unit, example, description, default: value } of options) {
    assert.ok(unit.length > 0 && example.length > 0, path);
    assert.match(description, /^[A-Z].*\.$/s, path);
    assert.notEqual(value, '', path);
  }
  const required = options.filter((option) => option.default === undefined).map(({ path }) => path);
  assert.deepEqual(required, [
    'issuers.NAME.acme.directory',
    'issuers.NAME.acme.externalAccount.keyId',
    'issuers.NAME.acme.externalAccount.hmacKey',
    'certificates.NAME.dnsNames',
    'certificates.NAME.outputs[].files.directory',
    'certificates.NAME.outputs[].kubernetesSecret.namespace',
    'certificates.NAME.outputs[].kubernetesSecret.name',
    'terminator.tls.clientCertificates.ca',
    'terminator.hosts[].names',
    'terminator.ticketKeys.file',
    'terminator.sources[].files.directory',
    'terminator.backends.NAME.endpoints',
    'terminator.routes[].hosts',
    'terminator.routes[].tcp.backend',
    'terminator.routes[].passthrough.backend',
  ]);
});

test('every example in docs/configuration.md loads without an error', async () => {
  const examples = [...docs.matchAll(/```yaml\n([^]*?)```/g)].map(([, yaml]) => yaml ?? '');
  assert.equal(examples.length, 7);
  for (const yaml of examples) {
    const errors = (await problemsOf(yaml)).filter((line) => line.includes(': error: '));
    assert.deepEqual(errors, [], yaml);
  }
});

test('the quickstart loads without any problem', async () => {
  const file = join(root, 'deploy', 'examples', 'quickstart.yaml');
  const { config, problems } = await loadConfig({ file, env: {} });
  assert.deepEqual(problems, []);
  assert.deepEqual(
    config?.certificates.map(({ id }) => id),
    ['file/api', 'file/apps', 'file/hello'],
  );
  assert.equal(config?.dataDir, join(root, 'data'));
});

test('the reverse proxy of the examples loads without any problem', async () => {
  const file = join(root, 'deploy', 'examples', 'reverse-proxy.yaml');
  const { config, problems } = await loadConfig({ file, env: {} });
  assert.deepEqual(problems, []);
  assert.deepEqual(
    config?.certificates.map(({ id }) => id),
    [
      'file/gateway',
      'route/api.localhost',
      'route/certs.localhost',
      'route/db.localhost',
      'route/shop.localhost',
      'route/www.shop.localhost',
    ],
    'none for the host whose TLS goes through',
  );
});
