import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHttp01Listener } from '../../src/acme/http01-listener.ts';
import { createAcmeIssuer } from '../../src/issue/acme-issuer.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import { pebbleSetting } from './support/acme-setting.ts';
import { drive } from './support/drive.ts';

const hmacKey = 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W';

test('an account is bound to an external one where the CA needs it (RFC 8555 §7.3.4)', async (t) => {
  await using setting = await pebbleSetting(t, { externalAccountKeys: { 'kid-1': hmacKey } });
  if (!setting) return;
  const { pebble, store, clock } = setting;
  await using solver = createHttp01Listener({ listen: { host: '127.0.0.1', port: setting.port }, log: silentLog });
  const base = {
    kind: 'acme',
    name: 'test',
    directory: pebble.directoryUrl,
    caBundlePem: pebble.caPem,
    solvers: [],
  } as const;
  const create = (externalAccount?: { keyId: string; hmacKey: string }) =>
    createAcmeIssuer({
      config: { ...base, externalAccount },
      store,
      solverFor: () => solver,
      clock,
      log: silentLog,
    });
  {
    await using without = create();
    const end = await drive(without, setting.request(), setting);
    assert.equal(end.kind, 'failed');
    assert.equal(end.kind === 'failed' && end.error.code, 'acme.account-rejected');
  }
  await using bound = create({ keyId: 'kid-1', hmacKey });
  assert.equal((await drive(bound, setting.request(), setting)).kind, 'issued');
});
