/** Commands against the real API over its socket, with a scripted control plane behind it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { CertplaneError } from '../../src/core/errors.ts';
import { certificateDetailSchema, certificateListSchema } from '../../src/api/contract/certificates.ts';
import { startApi, type ApiFixture, type FixtureOptions } from '../api/api-fixture.ts';
import { viewOf } from '../support/scripted-view.ts';
import { cli, type CliOptions, type CliRun } from './running.ts';

async function started(
  options?: FixtureOptions,
): Promise<{ api: ApiFixture; run: (argv: string[], more?: CliOptions) => Promise<CliRun> } & AsyncDisposable> {
  const api = await startApi(options);
  return {
    api,
    run: async (argv, more) => await cli(['--data-dir', api.dir.path, ...argv], { now: api.clock.now(), ...more }),
    [Symbol.asyncDispose]: async () => await api[Symbol.asyncDispose](),
  };
}

function fill({ view, clock }: ApiFixture): void {
  const now = clock.now();
  const failing = { code: 'acme.rate-limited', message: 'Too many certificates.\u001b[2J' } as const;
  view.set(
    viewOf('file/shop', now, { names: ['shop.example.com', 'www.shop.example.com'] }),
    viewOf('file/apps', now, { names: ['*.apps.example.com'], status: { delivery: 'delivered' } }),
    viewOf('route/shop.example.com', now, {
      names: ['shop.example.com'],
      current: null,
      status: { phase: 'failing', phaseReason: failing },
      record: { failures: 2, lastFailure: { ...failing, at: now - 60_000, issuer: 'letsencrypt' } },
      next: { action: 'retry', at: now + 600_000, reason: failing },
    }),
  );
}

test('list shows states, most urgent first, in columns that line up', async () => {
  await using fixture = await started();
  const { api, run } = fixture;
  assert.equal((await run(['list'])).stdout, 'No certificates.\n');
  fill(api);
  const { code, stdout, stderr } = await run(['list']);
  assert.equal(code, 0);
  const lines = stdout.trimEnd().split('\n');
  assert.match(lines[0] ?? '', /^ID +PHASE +DELIVERY +EXPIRES +NEXT$/);
  assert.match(lines[1] ?? '', /^route\/shop\.example\.com +failing +none +- +retry in 10m +\S/);
  assert.match(lines[2] ?? '', /^file\/apps +ready +delivered +in 90d +renew in 60d$/);
  assert.match(lines[3] ?? '', /^file\/shop +ready +none +in 90d +renew in 60d$/);
  const column = (lines[0] ?? '').indexOf('PHASE');
  for (const line of lines.slice(1)) assert.match(line.slice(column - 2, column + 1), /^ {2}\S/);
  assert.match(stderr, /^3 certificates, 1 needing attention\n$/);
  assert.ok(!(stdout + stderr).includes('\u001b'), 'no colour and nothing that moves the cursor');
});

test('list filters, sorts and limits, over any number of pages', async () => {
  await using fixture = await started();
  const { api, run } = fixture;
  for (let i = 0; i < 2_500; i += 1) api.view.set(viewOf(`file/c${String(i).padStart(4, '0')}`, api.clock.now()));
  const all = await run(['list', '--json', '--sort', '-name']);
  const { items, total } = certificateListSchema.omit({ next: true, counts: true }).parse(JSON.parse(all.stdout));
  assert.deepEqual([items.length, total, items[0]?.id, items.at(-1)?.id], [2_500, 2_500, 'file/c2499', 'file/c0000']);
  assert.equal(new Set(items.map(({ id }) => id)).size, 2_500);
  const limited = await run(['list', '--limit', '1500']);
  assert.equal(limited.stdout.trimEnd().split('\n').length, 1_501);
  assert.equal(limited.stderr, '1500 certificates of 2500\n');
  const found = await run(['list', '-q', 'c0042', '--phase', 'ready']);
  assert.match(found.stdout, /\nfile\/c0042 /);
  assert.equal((await run(['list', '--attention'])).stdout, 'No certificates.\n');
  assert.equal((await run(['list', '--issuer', 'nobody'])).stdout, 'No certificates.\n');
  const ofIssuer = JSON.parse((await run(['list', '--json', '--issuer', 'letsencrypt', '--limit', '1'])).stdout) as {
    total: number;
  };
  assert.equal(ofIssuer.total, 2_500);
});

test('show answers to an id, a name, a host, and a host that a wildcard covers', async () => {
  await using fixture = await started({
    certificateChecks: [
      {
        link: 'issuance',
        title: 'Issuance',
        run: () =>
          Promise.resolve({
            link: 'issuance',
            title: 'Issuance',
            verdict: 'problem',
            code: 'acme.rate-limited',
            message: 'The CA refuses.',
            advice: 'Wait.',
          }),
      },
    ],
  });
  const { api, run } = fixture;
  fill(api);
  for (const [wanted, id] of [
    ['file/shop', 'file/shop'],
    ['shop', 'file/shop'],
    ['WWW.shop.example.com.', 'file/shop'],
    ['*.apps.example.com', 'file/apps'],
    ['one.apps.example.com', 'file/apps'],
  ] as const) {
    const { code, stdout, stderr } = await run(['show', wanted]);
    assert.deepEqual([code, stderr], [0, ''], wanted);
    assert.equal(stdout.split(/\s/)[0], id);
    assert.match(stdout, /\n {2}valid until +2026-04-01 00:00:00 UTC \(in 90d\)\n/);
    assert.match(stdout, /\nWhy\n {2}✗ Issuance: The CA refuses\. \[acme\.rate-limited\]\n {6}Wait\.\n/);
  }
  const { stdout } = await run(['show', 'route/shop.example.com']);
  assert.match(
    stdout,
    /\nAttempts\n {2}failures +2 in a row\n {2}last +2025-12-31 23:59:00 UTC \(1m ago\) at letsencrypt: Too many certificates\. \[2J \[acme\.rate-limited\]\n/,
  );
  const detail = JSON.parse((await run(['show', 'shop', '--json'])).stdout) as unknown;
  assert.equal(certificateDetailSchema.parse(detail).id, 'file/shop');
});

test('a name or host that several certificates carry is refused with their ids', async () => {
  await using fixture = await started();
  const { api, run } = fixture;
  fill(api);
  api.view.set(viewOf('k8s/a/shop', api.clock.now(), { name: 'shop', names: ['other.example.com'] }));
  assert.deepEqual(await run(['renew', 'shop']), {
    code: 1,
    stdout: '',
    stderr:
      'certplane: Several certificates match "shop"; name one by its id: [certificate.ambiguous]\n  file/shop\n  k8s/a/shop\n',
  });
  assert.deepEqual(api.view.calls, [], 'nothing is renewed by a guess');
  assert.deepEqual(await run(['show', 'nobody.example.com']), {
    code: 1,
    stdout: '',
    stderr:
      'certplane: There is no certificate with the id, name or host "nobody.example.com"; "certplane list" shows all of them. [certificate.not-found]\n',
  });
  assert.equal((await run(['show', 'file/nobody'])).code, 1);
});

test('renew asks once, by id, and says how to follow it', async () => {
  await using fixture = await started();
  const { api, run } = fixture;
  fill(api);
  const { code, stdout } = await run(['renew', 'www.shop.example.com']);
  assert.equal(code, 0);
  assert.equal(stdout, 'Renewal of file/shop is under way; "certplane show file/shop" shows how far it is.\n');
  assert.deepEqual(api.view.calls, [{ method: 'renew', arguments: ['file/shop', 'cli'] }]);
  api.view.act = () => {
    throw new CertplaneError('renewal.in-progress', 'A renewal of file/shop is already running.');
  };
  assert.deepEqual(await run(['renew', 'file/shop']), {
    code: 1,
    stdout: '',
    stderr: 'certplane: A renewal of file/shop is already running. [renewal.in-progress]\n',
  });
});

test('reload says what was applied and what waits for a restart', async () => {
  await using fixture = await started();
  const { api, run } = fixture;
  assert.deepEqual(await run(['reload']), {
    code: 0,
    stdout: 'Applied: 1 added, 2 changed, 0 removed.\n',
    stderr: 'Note: admin.listen has changed; it takes effect after a restart.\n',
  });
  await run(['reload', '--accept-removal']);
  assert.deepEqual(
    api.view.calls.map(({ arguments: [options] }) => (options as { acceptRemoval: boolean }).acceptRemoval),
    [false, true],
  );
  api.view.act = () => {
    throw new CertplaneError('config.invalid', 'certplane.yaml has one problem:\ncertplane.yaml:1:1: error: a: b.');
  };
  assert.deepEqual(await run(['reload']), {
    code: 1,
    stdout: '',
    stderr: 'certplane: certplane.yaml has one problem: [config.invalid]\ncertplane.yaml:1:1: error: a: b.\n',
  });
});

test('never (§5.9): a token is printed once, alone on standard output, and never again', async () => {
  await using fixture = await started();
  const { api, run } = fixture;
  const made = await run(['token', 'create', 'ci', '--role', 'admin', '--expires', '90d']);
  assert.equal(made.code, 0);
  const token = made.stdout.trimEnd();
  assert.match(made.stdout, /^\S+\n$/);
  assert.match(
    made.stderr,
    /^Token \S+ \(admin\) is good until 2026-04-01 00:00:00 UTC \(in 90d\)\. It is not shown again\.\n$/,
  );
  assert.ok(!made.stderr.includes(token));
  const record = await api.tokens.verify(token, new AbortController().signal);
  assert.equal(record?.label, 'ci');
  const listed = await run(['token', 'list']);
  assert.match(listed.stdout, /^ID +LABEL +ROLE +CREATED +EXPIRES +LAST USED\n/);
  assert.ok(listed.stdout.includes(' ci ') && !listed.stdout.includes(token));
  const id = record?.id ?? '';
  assert.deepEqual(await run(['token', 'revoke', id]), { code: 0, stdout: `Token ${id} is revoked.\n`, stderr: '' });
  assert.equal(await api.tokens.verify(token, new AbortController().signal), undefined);
  assert.match((await run(['token', 'revoke', 'nobody'])).stderr, /\[store\.not-found\]/);
});

test('--url works with a token and not without, and a viewer may not change anything', async () => {
  await using fixture = await started();
  const { api } = fixture;
  fill(api);
  const url = ['--url', api.api.address];
  const token = (api.viewer.headers?.['authorization'] ?? '').replace('Bearer ', '');
  const env = { CERTPLANE_TOKEN: token };
  assert.match((await cli(['list', ...url], { env })).stdout, /file\/shop/);
  assert.match((await cli(['renew', 'file/shop', ...url], { env })).stderr, /\[api\.forbidden\]\n$/);
  assert.match(
    (await cli(['list', ...url], { env: { CERTPLANE_TOKEN: 'cp_wrong' } })).stderr,
    /\[access\.token-invalid\]\n$/,
  );
  const without = await cli(['list', ...url]);
  assert.equal(without.code, 2);
  assert.match(without.stderr, /^certplane: --url needs a token: set CERTPLANE_TOKEN/);
  for (const [wrong, message] of [
    ['http://certs.example.com', '--url would send the token in clear text; write https://certs.example.com.'],
    ['certs.example.com', '--url is the address of the admin page; write for example https://certs.example.com.'],
    [
      'https://user:hunter2@certs.example.com',
      '--url is the address of the admin page; write for example https://certs.example.com.',
    ],
  ] as const) {
    assert.equal((await cli(['list', '--url', wrong], { env })).stderr, `certplane: ${message} [cli.usage]\n`);
  }
});

test('doctor prints every check with what to do, and exits 1 for a problem', async () => {
  let verdict: 'ok' | 'problem' = 'ok';
  await using fixture = await started({
    installationChecks: [
      {
        link: 'state',
        title: 'Data directory',
        run: () =>
          Promise.resolve({
            link: 'state',
            title: 'Data directory',
            verdict,
            code: 'store.unavailable',
            message: 'It is full.',
            advice: 'Make room.',
          }),
      },
    ],
  });
  const fine = await fixture.run(['doctor']);
  assert.deepEqual([fine.code, fine.stdout.split('\n').at(-2)], [0, 'No problems found.']);
  verdict = 'problem';
  assert.deepEqual(await fixture.run(['doctor']), {
    code: 1,
    stdout: '  ✗ Data directory: It is full. [store.unavailable]\n      Make room.\n1 problem found.\n',
    stderr: '',
  });
  const json = await fixture.run(['doctor', '--json']);
  assert.equal(json.code, 1);
  assert.equal((JSON.parse(json.stdout) as { checks: unknown[] }).checks.length, 1);
});

test('plan shows what comes next, soonest first, and where it is from', async () => {
  await using fixture = await started();
  const { api, run } = fixture;
  fill(api);
  const now = api.clock.now();
  api.view.set(
    viewOf('file/new', now, {
      current: null,
      next: { action: 'issue', reason: { code: 'missing', message: 'There is none yet.' } },
    }),
    viewOf('file/idle', now, { next: { action: 'none', reason: { code: 'removed', message: 'Removed.' } } }),
  );
  const { stdout, stderr } = await run(['plan']);
  assert.deepEqual(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/).slice(1, 3)),
    [
      ['WHAT', 'CERTIFICATE'],
      ['issue', 'file/new'],
      ['retry', 'route/shop.example.com'],
      ['renew', 'file/apps'],
      ['renew', 'file/shop'],
    ],
  );
  assert.match(stdout, /\nnow +issue +file\/new +There is none yet\.\n/);
  assert.equal(stderr, 'From the running control process: 4 actions, nothing to do for 1 certificate.\n');
  const soon = JSON.parse((await run(['plan', '--within', '1h', '--json'])).stdout) as {
    source: string;
    items: { id: string }[];
  };
  assert.equal(soon.source, 'control');
  assert.deepEqual(
    soon.items.map(({ id }) => id),
    ['file/new', 'route/shop.example.com'],
  );
  assert.match((await run(['plan', '--within', '1h'])).stdout, /^WHEN/);
  api.view.remove('file/new');
  api.view.remove('route/shop.example.com');
  assert.equal((await run(['plan', '--within', '1h'])).stdout, 'Nothing is planned.\n');
});

test('backup asks the control process for an absolute path', async () => {
  await using fixture = await started();
  const { api, run } = fixture;
  const file = join(api.dir.path, 'certs.backup');
  const { code, stdout } = await run(['backup', 'certs.backup'], { cwd: api.dir.path });
  assert.deepEqual([code, stdout], [0, `Backup written to ${file}. It holds private keys: keep it safe.\n`]);
  assert.deepEqual(api.view.calls, [{ method: 'backup', arguments: [file, 'cli'] }]);
});

test('long work says what it does on a terminal, takes the line away, and is silent for scripts', async () => {
  await using fixture = await started();
  const cwd = fixture.api.dir.path;
  const cleared = '\r\u001b[2K';
  for (const [argv, text] of [
    [['backup', 'certs.backup'], `Writing the backup to ${join(cwd, 'certs.backup')} …`],
    [['reload'], 'Applying the configuration file …'],
  ] as const) {
    const shown = await fixture.run([...argv], { cwd, terminal: true });
    assert.ok(shown.stderr.startsWith(`${cleared}${text.slice(0, 79)}${cleared}`), JSON.stringify(shown.stderr));
    assert.ok(!(await fixture.run([...argv], { cwd })).stderr.includes('…'));
    assert.equal((await fixture.run([...argv, '--json'], { cwd, terminal: true })).stderr, '');
  }
});

test('restore is refused while a control process runs', async () => {
  await using fixture = await started();
  const { code, stderr } = await fixture.run(['restore', 'certs.backup']);
  assert.equal(code, 1);
  assert.match(stderr, /^certplane: A control process is using \S+; stop it, and restore again\. \[store\.locked\]\n$/);
});

test('colours appear on a terminal only, and not with NO_COLOR', async () => {
  await using fixture = await started();
  fill(fixture.api);
  assert.ok((await fixture.run(['list'], { terminal: true })).stdout.includes('\u001b[32mready\u001b[39m'));
  for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) {
    assert.ok(!(await fixture.run(['list'], { terminal: true, env })).stdout.includes('\u001b'));
  }
});
