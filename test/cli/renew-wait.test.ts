/** `certplane renew --wait` against the real API, while the scripted control plane goes on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ViewOptions } from '../support/scripted-view.ts';
import { viewOf } from '../support/scripted-view.ts';
import { startApi, type ApiFixture } from '../api/api-fixture.ts';
import { cli } from './running.ts';

const second = { number: 2, id: 'file/shop#2', serial: '02CD' };

/** Each stage is shown once the command has told about the one before. */
async function renewThrough(
  api: ApiFixture,
  stages: readonly { see: RegExp; next: ViewOptions | 'remove' }[],
  argv: string[] = [],
) {
  const { view, clock } = api;
  const now = clock.now();
  view.set(viewOf('file/shop', now, { names: ['shop.example.com'] }));
  view.act = (method) => {
    if (method === 'renew') advance(underWay('order'));
  };
  const left = [...stages];
  function advance(options: ViewOptions): void {
    view.set(viewOf('file/shop', clock.now(), { names: ['shop.example.com'], ...options }));
    view.change(['file/shop']);
  }
  return await cli(['--data-dir', api.dir.path, 'renew', 'shop', '--wait', ...argv], {
    now,
    onStderr(text) {
      const stage = left[0];
      if (stage === undefined || !stage.see.test(text)) return;
      left.shift();
      if (stage.next === 'remove')
        advance({ status: { managed: 'removed', managedReason: { code: 'removed', message: 'Taken out.' } } });
      else advance(stage.next);
      void clock.advance(1_000);
    },
  });
}

function underWay(step: string): ViewOptions {
  const request = { dnsNames: ['shop.example.com'], key: { algorithm: 'ecdsa', size: 256 } as const };
  const reason = { code: 'requested', message: 'Somebody asked.' };
  const order = {
    certificateId: 'file/shop',
    issuerName: 'letsencrypt',
    request,
    digest: 'd',
    reason,
    startedAt: 0,
    step,
    data: {},
  };
  return { order, status: { phase: 'renewing' } };
}

test('it follows the steps, then the delivery, and exits 0 when the new version is there', async () => {
  await using api = await startApi();
  const { code, stdout, stderr } = await renewThrough(api, [
    { see: /order at letsencrypt/, next: underWay('finalize') },
    {
      see: /finalize at letsencrypt/,
      next: {
        current: second,
        status: { delivery: 'lagging', deliveryReason: { code: 'writing', message: 'Files are written.' } },
      },
    },
    { see: /version 2 is issued\. Files are written\./, next: { current: second, status: { delivery: 'delivered' } } },
  ]);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, 'file/shop is renewed: serial 02CD, valid until 2026-04-01 00:00:01 UTC (in 90d).\n');
  assert.deepEqual(stderr.trimEnd().split('\n'), [
    'file/shop: order at letsencrypt. Somebody asked.',
    'file/shop: finalize at letsencrypt. Somebody asked.',
    'file/shop: version 2 is issued. Files are written.',
  ]);
});

test('a failed attempt exits 1 with the words of the CA and the time of the next one', async () => {
  await using api = await startApi();
  const at = api.clock.now();
  const problem = { type: 'urn:ietf:params:acme:error:connection', detail: 'Connection refused at port 80.' };
  const { code, stdout, stderr } = await renewThrough(api, [
    {
      see: /order at letsencrypt/,
      next: {
        record: {
          failures: 1,
          lastFailure: { code: 'acme.challenge-failed', message: 'The challenge failed.', problem, at },
        },
        next: { action: 'retry', at: at + 60_000, reason: { code: 'x', message: 'y' } },
      },
    },
  ]);
  assert.deepEqual([code, stdout], [1, '']);
  assert.match(
    stderr,
    /certplane: file\/shop was not renewed: The challenge failed\. The CA says: Connection refused at port 80\. Try again after 2026-01-01 00:01:00 UTC\. \[acme\.challenge-failed\]\n$/,
  );
});

test('a failed delivery of the new version exits 1', async () => {
  await using api = await startApi();
  const { code, stderr } = await renewThrough(api, [
    {
      see: /order/,
      next: {
        current: second,
        status: { delivery: 'failed', deliveryReason: { code: 'output.write-failed', message: 'No space.' } },
      },
    },
  ]);
  assert.equal(code, 1);
  assert.match(stderr, /\nDelivery failed: No space\.\n$/);
});

test('a certificate that leaves the configuration meanwhile is not waited for', async () => {
  await using api = await startApi();
  const { code, stderr } = await renewThrough(api, [{ see: /order/, next: 'remove' }]);
  assert.equal(code, 1);
  assert.match(stderr, /\[certificate\.removed\]\n$/);
});

test('what takes longer than --timeout goes on by itself', async () => {
  await using api = await startApi();
  const { code, stderr } = await renewThrough(api, [], ['--timeout', '200ms']);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /certplane: The renewal of file\/shop is still under way and goes on by itself; .* \[api\.unavailable\]\n$/,
  );
});

test('Ctrl-C stops watching', async () => {
  await using api = await startApi();
  const interrupt = new AbortController();
  api.view.set(viewOf('file/shop', api.clock.now()));
  const { code, stderr } = await cli(['--data-dir', api.dir.path, 'renew', 'shop', '--wait'], {
    signal: interrupt.signal,
    onStderr: () => interrupt.abort(),
  });
  assert.equal(code, 1);
  assert.match(stderr, /certplane: Stopped before it was done\. \[process\.aborted\]\n$/);
});

test('on a terminal the progress is one line that is taken away again; with --json there is none', async () => {
  await using api = await startApi();
  api.view.set(viewOf('file/shop', api.clock.now()));
  const done = (): void => {
    api.view.set(viewOf('file/shop', api.clock.now(), { current: second }));
    api.view.change(['file/shop']);
  };
  const argv = ['--data-dir', api.dir.path, 'renew', 'shop', '--wait'];
  const shown = await cli(argv, { terminal: true, onStderr: done });
  assert.equal(shown.code, 0);
  assert.equal(shown.stderr, '\r\u001b[2Kfile/shop: ready. It is valid.\r\u001b[2K');
  api.view.set(viewOf('file/shop', api.clock.now()));
  api.view.act = (method) => (method === 'renew' ? done() : undefined);
  const silent = await cli([...argv, '--json'], { terminal: true });
  assert.deepEqual([silent.code, silent.stderr], [0, '']);
  assert.equal((JSON.parse(silent.stdout) as { serial: string }).serial, '02CD');
});
