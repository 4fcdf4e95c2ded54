/** `certplane terminator status` against the real API. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startApi, type ApiFixture } from '../api/api-fixture.ts';
import { cli, type CliRun } from './running.ts';

async function status(api: ApiFixture, ...argv: string[]): Promise<CliRun> {
  return await cli(['--data-dir', api.dir.path, 'terminator', 'status', ...argv], { now: api.clock.now() });
}

const file = '/etc/certs/a.pem';

function fill({ view, clock }: ApiFixture): void {
  const now = clock.now();
  view.terminatorList = [
    {
      id: 'local',
      connected: true,
      since: now - 3_600_000,
      acknowledged: 'e.5',
      current: 'e.5',
      workers: [
        { pid: 4211, startedAt: now - 3_600_000, connections: 182 },
        { pid: 4212, startedAt: now - 60_000, connections: 7 },
      ],
      listening: ['https://0.0.0.0:8443', 'http://0.0.0.0:8080'],
      problems: [
        { code: 'terminator.worker-failed', message: 'A worker\u001b[2J died.', since: now - 60_000 },
        { code: 'terminator.file-unreadable', message: `${file} cannot be read.`, subject: file, since: now },
      ],
      backends: [
        { backend: 'app', endpoint: '10.0.0.2:8080', state: 'healthy', open: 12, requests: 48_213 },
        { backend: 'app', endpoint: '10.0.0.3:8080', state: 'ejected', open: 0, requests: 17 },
      ],
      served: 14,
    },
    {
      id: 'edge',
      connected: false,
      since: now - 120_000,
      acknowledged: 'e.3',
      current: 'e.5',
      workers: [],
      listening: [],
      problems: [],
      served: 1,
    },
  ];
  view.problemList = [{ code: 'backend.unverified', message: 'Anybody could be it.', subject: 'app', since: now }];
}

test('status shows listeners, workers, certificates, backends and problems', async () => {
  await using api = await startApi();
  fill(api);
  const { code, stdout, stderr } = await status(api);
  assert.equal(code, 0);
  assert.equal(stderr, '');
  const pattern = [
    /^local {2}connected, up to date$/,
    /^ {2}connected {2}\S.* \(1h ago\)$/,
    /^ {2}listening {2}https:\/\/0\.0\.0\.0:8443, http:\/\/0\.0\.0\.0:8080$/,
    /^ {2}serving {4}14 certificates$/,
    /^ {2}revision {3}e\.5$/,
    /^$/,
    /^WORKER {2}STARTED +CONNECTIONS$/,
    /^4211 +1h ago +182$/,
    /^4212 +1m ago +7$/,
    /^$/,
    /^BACKEND {2}ENDPOINT +STATE +OPEN +REQUESTS$/,
    /^app +10\.0\.0\.2:8080 +healthy +12 +48213$/,
    /^app +10\.0\.0\.3:8080 +ejected +0 +17$/,
    /^$/,
    /^✗ A worker \[2J died\. \[terminator\.worker-failed, since 1m ago\]$/,
    /^✗ \/etc\/certs\/a\.pem cannot be read\. \[terminator\.file-unreadable, since now\]$/,
    /^✗ app: Anybody could be it\. \[backend\.unverified, since now\]$/,
    /^$/,
    /^edge {2}not connected$/,
    /^ {2}last seen {2}\S.* \(2m ago\)$/,
    /^ {2}listening {2}nowhere$/,
    /^ {2}serving {4}1 certificate$/,
    /^ {2}revision {3}e\.3 of e\.5$/,
  ];
  const lines = stdout.split('\n');
  for (const [i, expected] of pattern.entries()) assert.match(lines[i] ?? '(no line)', expected);
  assert.ok(!stdout.includes('\u001b'), 'nothing that moves the cursor');
});

test('status as JSON is what the API says', async () => {
  await using api = await startApi();
  fill(api);
  const { code, stdout } = await status(api, '--json');
  assert.equal(code, 0);
  const { items } = JSON.parse(stdout) as { items: { id: string; backends: unknown; workers: unknown[] }[] };
  assert.deepEqual(
    items.map(({ id, workers }) => [id, workers.length]),
    [
      ['local', 2],
      ['edge', 0],
    ],
  );
  assert.deepEqual(items[1]?.backends, null);
});

test('status exits 1 when no terminator is connected', async () => {
  await using api = await startApi();
  const none = await status(api);
  assert.deepEqual([none.code, none.stdout], [1, 'No terminator has connected to this control process.\n']);
  fill(api);
  api.view.terminatorList = api.view.terminatorList.slice(1);
  assert.equal((await status(api)).code, 1);
});

test('a terminator that does not tell of its backends has no table of them', async () => {
  await using api = await startApi();
  fill(api);
  api.view.terminatorList = api.view.terminatorList.map((one) => Object.assign(one, { backends: undefined }));
  const { stdout } = await status(api);
  assert.ok(!stdout.includes('BACKEND'));
});
