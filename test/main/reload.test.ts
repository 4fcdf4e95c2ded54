import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { test } from 'node:test';
import type { SettingsItem } from '../../src/core/feed.ts';
import { tempDir } from '../support/tempdir.ts';
import { startParts, type ControlParts } from './control-parts.ts';

const acme = (email: string): string =>
  `  public: { acme: { directory: 'https://127.0.0.1:1/directory', email: ${email} } }\n`;

function yamlOf({
  names = ['a', 'b', 'c'],
  issuers = `  local: { ca: {} }\n${acme('a@example.com')}`,
  more = '',
  routes = '[]',
} = {}): string {
  const certificates = names.map((name) => `  ${name}: { dnsNames: [${name}.example.com] }\n`).join('');
  return `
issuers:
${issuers}
defaults: { issuers: [local] }
${names.length === 0 ? '' : `certificates:\n${certificates}`}
terminator: { https: { listen: '127.0.0.1:18443' }, http: { listen: '127.0.0.1:18080' }, routes: ${routes} }
${more}
`;
}

function adminAt(port: number): string {
  return `admin: { listen: '127.0.0.1:${port}', hosts: [admin.example.com] }`;
}

function problems({ notices }: ControlParts): string[] {
  return notices.list().map(({ code }) => code);
}

function settings({ feed }: ControlParts): SettingsItem['settings'] | undefined {
  return (feed.item('settings') as SettingsItem | undefined)?.settings;
}

function wanted({ registry }: ControlParts): string[] {
  const present = registry.certificates().filter(({ record }) => record.removedAt === undefined);
  return present.map(({ record }) => record.id).toSorted();
}

test('a broken file changes nothing, is a notice until a good one comes, and stands in history', async () => {
  await using dir = await tempDir();
  await using parts = await startParts(dir, yamlOf());
  const before = { issuers: parts.inForce.issuers, config: parts.inForce.config, revision: parts.feed.revision() };
  await parts.write('certificates: 7');
  await assert.rejects(parts.reload(), { code: 'config.invalid' });
  assert.equal(parts.inForce.config, before.config);
  assert.equal(parts.inForce.issuers, before.issuers);
  assert.deepEqual(parts.feed.revision(), before.revision);
  assert.deepEqual(problems(parts), ['config.invalid']);

  await parts.write(yamlOf());
  assert.deepEqual(await parts.reload(), { added: 0, changed: 0, removed: 0, restartNeeded: [], warnings: [] });
  assert.deepEqual(problems(parts), []);
  const [good, broken] = await parts.history();
  assert.equal(good?.code, 'reload', 'also a reload that changes no certificate is told');
  assert.match(good.message, /0 added, 0 changed, 0 removed/);
  assert.equal(good.actor, 'tester');
  assert.equal(broken?.code, 'config.invalid');
});

test('never (§5.7): a reload that removes more than half is held; accepted, it is applied and terminators are told', async () => {
  await using dir = await tempDir();
  await using parts = await startParts(dir, yamlOf());
  const before = parts.inForce.config;
  await parts.write(yamlOf({ names: ['a'] }));
  await assert.rejects(parts.reload(), { code: 'config.removal-held' });
  assert.equal(parts.inForce.config, before);
  assert.deepEqual(wanted(parts), ['file/a', 'file/b', 'file/c']);
  assert.deepEqual(problems(parts), ['config.removal-held']);
  assert.equal(settings(parts)?.acceptShrinkAt, undefined);

  const { removed } = await parts.reload({ acceptRemoval: true });
  assert.equal(removed, 2);
  assert.deepEqual(wanted(parts), ['file/a']);
  assert.deepEqual(problems(parts), []);
  const acceptedAt = parts.clock.now();
  assert.equal(settings(parts)?.acceptShrinkAt, acceptedAt);
  assert.match((await parts.history())[0]?.message ?? '', /2 removed\. Accepted: removals\./);

  await parts.clock.advance(1_000);
  await parts.reload();
  assert.equal(settings(parts)?.acceptShrinkAt, acceptedAt, 'accepting once is not accepting for ever');
});

test('never (§5.7): a start with an emptied file goes on with the configuration before it', async () => {
  await using dir = await tempDir();
  const yaml = yamlOf({ more: "admin: { listen: '127.0.0.1:18484' }" });
  {
    await using first = await startParts(dir, yaml);
    assert.equal(first.inForce.issuers.size, 2);
  }
  await using parts = await startParts(dir, '');
  assert.deepEqual([...parts.inForce.issuers.keys()], ['local', 'public']);
  assert.equal(parts.inForce.config.admin.listen.port, 18_484);
  assert.deepEqual(wanted(parts), ['file/a', 'file/b', 'file/c']);
  assert.equal(settings(parts)?.https[0]?.port, 18_443);
  assert.deepEqual(problems(parts), ['config.removal-held']);

  await parts.write(yaml);
  assert.deepEqual((await parts.reload()).restartNeeded, [], 'what runs is compared with what runs, not with the file');
  assert.deepEqual(problems(parts), []);
});

test('an emptied file is not kept as the one to go on with', async () => {
  await using dir = await tempDir();
  {
    await using _first = await startParts(dir, yamlOf());
  }
  for (let start = 0; start < 2; start += 1) {
    await using parts = await startParts(dir, '');
    assert.equal(parts.inForce.config.certificates.length, 3);
  }
});

test('an empty file on an empty data directory is refused', async () => {
  await using dir = await tempDir();
  await assert.rejects(startParts(dir, ''), { code: 'config.invalid', message: /There is nothing to do/ });
});

test('issuers that did not change are the same objects; a changed one is another, a removed one is gone', async () => {
  await using dir = await tempDir();
  await using parts = await startParts(dir, yamlOf());
  const before = parts.inForce.issuers;
  await parts.write(yamlOf({ issuers: `  local: { ca: {} }\n${acme('b@example.com')}` }));
  await parts.reload();
  const changed = parts.inForce.issuers;
  assert.equal(changed.get('local'), before.get('local'));
  assert.notEqual(changed.get('public'), before.get('public'));

  await parts.reload();
  assert.equal(parts.inForce.issuers.get('public'), changed.get('public'));
  await parts.write(yamlOf({ issuers: '  local: { ca: {} }\n' }));
  await parts.reload();
  assert.deepEqual([...parts.inForce.issuers.keys()], ['local']);
});

test('an ACME issuer changes when its challenges move to or from the terminator', async () => {
  await using dir = await tempDir();
  await using parts = await startParts(dir, yamlOf());
  const before = parts.inForce.issuers;
  await parts.write(yamlOf().replace("http: { listen: '127.0.0.1:18080' }", 'http: false'));
  await parts.reload();
  assert.notEqual(parts.inForce.issuers.get('public'), before.get('public'));
  assert.equal(parts.inForce.issuers.get('local'), before.get('local'));
});

test('what takes effect only after a restart is listed; the rest is in force at once', async () => {
  await using dir = await tempDir();
  await using parts = await startParts(dir, yamlOf());
  const live = `
metrics: { listen: '127.0.0.1:19402' }
issuance: { concurrency: 5 }
admin: { hosts: [admin.example.com] }
`;
  await parts.write(yamlOf({ more: live }));
  assert.deepEqual((await parts.reload()).restartNeeded, []);
  assert.equal(parts.metrics.at(-1)?.port, 19_402);
  assert.match(parts.scheduler.decision('file/a')?.reason.message ?? '', /one of 5 slots/);
  assert.deepEqual(parts.inForce.config.admin.hosts, ['admin.example.com']);

  await parts.write(`admin: { listen: '127.0.0.1:18485' }\n${yamlOf().replace(/^terminator:.*$/m, '')}`);
  const { restartNeeded } = await parts.reload();
  assert.deepEqual(restartNeeded, ['admin.listen', 'terminator (added or removed)']);
  assert.deepEqual(problems(parts), ['config.restart-needed']);
});

test('an admin.listen that waits for a restart leaves the way to the admin page as it is', async () => {
  await using dir = await tempDir();
  await using parts = await startParts(dir, yamlOf({ more: adminAt(18_484) }));
  const before = settings(parts)?.backends;
  await parts.write(yamlOf({ more: adminAt(18_485) }));
  assert.deepEqual((await parts.reload()).restartNeeded, ['admin.listen']);
  assert.deepEqual(Object.keys(settings(parts)?.backends ?? {}), ['http://127.0.0.1:18484']);
  assert.deepEqual(settings(parts)?.backends, before);
  assert.equal(parts.inForce.config.admin.listen.port, 18_484);

  await parts.write(yamlOf({ more: adminAt(18_484) }));
  assert.deepEqual((await parts.reload()).restartNeeded, []);
  assert.deepEqual(problems(parts), []);
});

test('the problem shown is that of the file as it is now', async () => {
  await using dir = await tempDir();
  await using parts = await startParts(dir, yamlOf());
  await parts.write('certificates: 7');
  await assert.rejects(parts.reload(), { code: 'config.invalid' });
  await parts.write(yamlOf({ names: ['a'] }));
  await assert.rejects(parts.reload(), { code: 'config.removal-held' });
  assert.deepEqual(problems(parts), ['config.removal-held']);
  await parts.write('certificates: 7');
  await assert.rejects(parts.reload(), { code: 'config.invalid' });
  assert.deepEqual(problems(parts), ['config.invalid']);
});

test('once a reload is being applied, only the end of the process stops it', async () => {
  await using dir = await tempDir();
  await using parts = await startParts(dir, yamlOf());
  await parts.write(yamlOf({ names: ['a', 'b', 'c', 'd'] }));
  const gone = new AbortController();
  using _applied = parts.registry.onChange(() => gone.abort());
  const { added } = await parts.reload({ signal: gone.signal });
  assert.equal(added, 1);
  assert.ok(gone.signal.aborted, 'whoever asked went away while certificates were taken over');
  assert.ok(settings(parts) !== undefined && (await parts.history())[0]?.code === 'reload');
});

test('when settings cannot be published, the error says what is in force, and the next reload makes up for it', async () => {
  await using dir = await tempDir();
  await using parts = await startParts(dir, yamlOf());
  const routes = '[{ hosts: [a.example.com], respond: { status: 200 } }]';
  await parts.write(yamlOf({ names: ['a', 'b', 'c', 'd'], routes }));
  parts.faults.publish = true;
  await assert.rejects(parts.reload(), /issuers of the new configuration are in force.*settings are not.*disk is full/);
  assert.equal(wanted(parts).length, 4);
  assert.equal(settings(parts)?.routes.length, 0);
  await parts.reload();
  assert.equal(settings(parts)?.routes.length, 1);
});

test('the root of a private CA is a file of its own, which a reload leaves alone', async () => {
  await using dir = await tempDir();
  await using parts = await startParts(dir, yamlOf());
  const file = dir.join('data', 'ca', 'local.pem');
  assert.deepEqual([...parts.inForce.roots], [['local', file]]);
  assert.match(await readFile(file, 'utf8'), /BEGIN CERTIFICATE/);
  const before = await stat(file);
  assert.equal(before.mode & 0o777, 0o644);
  await parts.reload();
  const after = await stat(file);
  assert.deepEqual([after.ino, after.mtimeMs], [before.ino, before.mtimeMs]);
});

/** One route to a backend over TLS. */
const routes = (tls: string): string =>
  `[{ hosts: [a.example.com], backend: { endpoints: ["https://app.internal"], tls: ${tls} } }]`;

test('the root that a backend is verified with is there when terminators are told', async () => {
  await using dir = await tempDir();
  await using parts = await startParts(dir, yamlOf());
  await parts.write(
    yamlOf({ issuers: '  local: { ca: {} }\n  fresh: { ca: {} }\n', routes: routes('{ ca: { issuer: fresh } }') }),
  );
  parts.faults.publish = true;
  await assert.rejects(parts.reload(), /the terminator's settings are not: the disk is full/);
  const file = dir.join('data', 'ca', 'fresh.pem');
  assert.match(await readFile(file, 'utf8'), /BEGIN CERTIFICATE/, 'before they are');
  await parts.reload();
  assert.deepEqual(settings(parts)?.backends['route/a.example.com/']?.tls?.caFiles, [file]);
});

test('a backend that is not verified is a problem for as long as the configuration says so', async () => {
  await using dir = await tempDir();
  await using parts = await startParts(dir, yamlOf({ routes: routes('{ verify: false }') }));
  const [notice] = parts.notices.list();
  assert.equal(notice?.code, 'backend.unverified');
  assert.equal(notice.subject, 'route/a.example.com/');
  assert.match(notice.message, /^The certificate of the backend route\/a\.example\.com\/ is not verified/);
  await parts.reload();
  assert.deepEqual(problems(parts), ['backend.unverified']);
  await parts.write(yamlOf({ routes: routes('{}') }));
  await parts.reload();
  assert.deepEqual(problems(parts), []);
});
