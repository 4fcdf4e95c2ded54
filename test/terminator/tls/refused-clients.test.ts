import assert from 'node:assert/strict';
import test from 'node:test';
import { RefusedClients } from '../../../src/terminator/tls/refused-clients.ts';

function watched(): { clients: RefusedClients; told: Record<string, unknown>[]; pass: (ms: number) => void } {
  let now = 1_000_000;
  const told: Record<string, unknown>[] = [];
  const clients = new RefusedClients({ now: () => now, warn: (_message, fields) => void told.push({ ...fields }) });
  return { clients, told, pass: (ms) => void (now += ms) };
}

test('a client whose certificate is not taken is told of once in a while, with host and reason', () => {
  const { clients, told, pass } = watched();
  const refused = { host: 'a.test', client: '192.0.2.1', detail: 'CRL_HAS_EXPIRED' } as const;
  for (let i = 0; i < 3; i += 1) clients.add({ ...refused, reason: 'client-certificate-invalid' });
  assert.deepEqual(told.splice(0), [{ ...refused, reason: 'client-certificate-invalid' }]);
  clients.add({ ...refused, reason: 'client-certificate-subject' });
  clients.add({ ...refused, host: 'b.test', reason: 'client-certificate-invalid' });
  clients.add({ ...refused, client: '192.0.2.2', reason: 'client-certificate-invalid' });
  assert.equal(told.splice(0).length, 3, 'each reason, host and client for itself');
  clients.add({ ...refused, reason: 'client-gone' });
  pass(599_000);
  clients.add({ ...refused, reason: 'client-certificate-invalid' });
  assert.equal(told.length, 0);
  pass(1_000);
  clients.add({ ...refused, reason: 'client-certificate-invalid' });
  assert.equal(told.length, 1);
});

test('very many of them neither fill the log nor memory', () => {
  const { clients, told, pass } = watched();
  const reason = 'client-certificate-missing';
  for (let i = 0; i < 1_000; i += 1) clients.add({ host: 'a.test', client: `2001:db8::${i}`, reason });
  assert.equal(told.length, 20);
  pass(60_000);
  clients.add({ host: 'a.test', client: '192.0.2.1', reason });
  assert.equal(told.at(-1)?.['othersNotLogged'], 980);
  clients.add({ host: 'a.test', client: '192.0.2.2', reason });
  assert.equal(told.at(-1)?.['othersNotLogged'], undefined);
});
