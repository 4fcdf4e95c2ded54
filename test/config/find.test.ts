import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { findDataDir } from '../../src/config/data-dir.ts';
import { findConfigFile, systemFile } from '../../src/config/find.ts';
import { loadConfig } from '../../src/config/load.ts';
import { hasCode } from '../../src/core/errors.ts';
import { tempDir } from '../support/tempdir.ts';

test('the file is --config, then CERTPLANE_CONFIG, then ./certplane.yaml', async () => {
  await using dir = await tempDir();
  for (const name of ['certplane.yaml', 'env.yaml', 'option.yaml']) await writeFile(dir.join(name), '');
  const cwd = dir.path;
  const env = { CERTPLANE_CONFIG: 'env.yaml' };
  assert.equal(await findConfigFile({ explicit: 'option.yaml', env, cwd }), dir.join('option.yaml'));
  assert.equal(await findConfigFile({ env, cwd }), dir.join('env.yaml'));
  assert.equal(await findConfigFile({ env: { CERTPLANE_CONFIG: '' }, cwd }), dir.join('certplane.yaml'));
});

test('a file that is named and missing is never replaced by another one', async () => {
  await using dir = await tempDir();
  await writeFile(dir.join('certplane.yaml'), '');
  const cwd = dir.path;
  await assert.rejects(findConfigFile({ explicit: 'missing.yaml', env: {}, cwd }), {
    code: 'config.not-found',
    message: `There is no file ${dir.join('missing.yaml')}, as --config says; write the path of one that exists.`,
  });
  await assert.rejects(findConfigFile({ env: { CERTPLANE_CONFIG: 'missing.yaml' }, cwd }), {
    code: 'config.not-found',
    message: `There is no file ${dir.join('missing.yaml')}, as CERTPLANE_CONFIG says; write the path of one that exists.`,
  });
});

test('without a file it says where it looked and shows four lines that work', async (t) => {
  await using dir = await tempDir();
  let message = '';
  try {
    const found = await findConfigFile({ env: {}, cwd: dir.path });
    assert.equal(found, systemFile);
    t.skip(`this machine has ${systemFile}`);
    return;
  } catch (error) {
    assert.ok(hasCode(error, 'config.not-found'));
    ({ message } = error as Error);
  }
  assert.ok(message.includes(`Looked for: ${dir.join('certplane.yaml')}, ${systemFile}`));
  const example = message.slice(message.indexOf('terminator:'));
  assert.equal(example.trim().split('\n').length, 4);
  await writeFile(dir.join('certplane.yaml'), example);
  const { config } = await loadConfig({ file: dir.join('certplane.yaml'), env: {} });
  assert.equal(config?.certificates[0]?.id, 'route/shop.example.com');
});

test('the data directory alone is what loading the file gives, and is found in a broken file too', async () => {
  await using dir = await tempDir();
  const file = dir.join('certplane.yaml');
  const env = { HOME: '/home/ops' };
  const lines = ['', 'dataDir: state', "dataDir: './a b' # here", '"dataDir" : ~/state', 'dataDir: /var/lib/x'];
  const shapes = [
    'dataDir:\n  ./below',
    '{ dataDir: flow }',
    'admin: {}\ndataDir: second\nmetrics: false',
    'dataDir: >-\n  folded\n',
  ];
  const texts = [...lines, ...shapes];
  for (const text of texts) {
    await writeFile(file, text);
    const { config } = await loadConfig({ file, env });
    assert.equal(await findDataDir({ file, env }), config?.dataDir, text);
  }
  await writeFile(file, 'dataDir: state\nroutes: [\n  nonsense: {');
  assert.equal(await findDataDir({ file, env }), dir.join('state'));
  assert.equal(await findDataDir({ file: dir.join('missing.yaml'), env }), dir.join('data'));
  assert.equal(await findDataDir({ file, env: { CERTPLANE_DATA_DIR: '/env' } }), '/env');
  assert.equal(await findDataDir({ file, env: { CERTPLANE_DATA_DIR: '/env' }, dataDir: '/option' }), '/option');
});
