import assert from 'node:assert/strict';
import test from 'node:test';
import acme from 'acme-client';
import { networkError } from '../../src/acme/network-errors.ts';
import { AcmeSession } from '../../src/acme/session.ts';
import { AcmeTransport } from '../../src/acme/transport.ts';
import { hasCode } from '../../src/core/errors.ts';
import { systemClock } from '../../src/core/system-clock.ts';
import { generatePrivateKey } from '../../src/pki/keys.ts';
import { startScriptedCa, type ScriptedCa } from '../issue/support/scripted-ca.ts';

const signal = new AbortController().signal;
const keyPem = await generatePrivateKey({ algorithm: 'ecdsa', size: 256 });

function connected(ca: ScriptedCa): { transport: AcmeTransport; session: AcmeSession } {
  const transport = new AcmeTransport({ directory: ca.directoryUrl, caBundlePem: ca.caPem, clock: systemClock });
  return { transport, session: new AcmeSession(transport, { directory: ca.directoryUrl, keyPem }) };
}

const count = (ca: ScriptedCa, resource: string): number => ca.requests.filter((one) => one === resource).length;

test('acme-client cannot be used around the transport', async () => {
  const client = new acme.Client({ directoryUrl: 'https://localhost:1/', accountKey: keyPem });
  await assert.rejects(client.getTermsOfServiceUrl(), /outside of AcmeTransport/);
});

test('issuers with different trust work side by side through the one axios instance', async () => {
  await using one = await startScriptedCa();
  await using two = await startScriptedCa();
  await using a = connected(one).transport;
  await using b = new AcmeTransport({ directory: two.directoryUrl, caBundlePem: one.caPem, clock: systemClock });
  const [first, second] = await Promise.allSettled([
    new AcmeSession(a, { directory: one.directoryUrl, keyPem }).register(undefined, signal),
    new AcmeSession(b, { directory: two.directoryUrl, keyPem }).register(undefined, signal),
  ]);
  assert.equal(first.status, 'fulfilled');
  assert.ok(
    second.status === 'rejected' && hasCode(second.reason, 'issuer.tls-untrusted'),
    'the other CA is not trusted',
  );
});

test('a refused nonce is replaced six times and then given up, without a request for newNonce and without sleeping', async (t) => {
  await using ca = await startScriptedCa();
  const { transport, session } = connected(ca);
  await using _transport = transport;
  await session.register(undefined, signal);
  ca.always('newOrder', { status: 400, body: ca.problem('badNonce', 'bad nonce') });
  const timers = t.mock.method(globalThis, 'setTimeout');
  await assert.rejects(session.newOrder(['a.example.com'], signal), (error) => hasCode(error, 'acme.server-error'));
  const sleeps = timers.mock.calls.filter(({ arguments: [, ms] }) => ms === 5_000);
  assert.equal(sleeps.length, 0, 'the library’s five-second sleeps are off');
  assert.equal(count(ca, 'newOrder'), 6);
  assert.equal(count(ca, 'newNonce'), 0);
});

test('nonces of refusals are used as well, and each nonce once', async () => {
  await using ca = await startScriptedCa();
  const { transport, session } = connected(ca);
  await using _transport = transport;
  await session.register(undefined, signal);
  for (let i = 0; i < 5; i += 1) {
    ca.next('newOrder', { status: 403, body: ca.problem('rejectedIdentifier', 'no') });
    await assert.rejects(session.newOrder(['a.example.com'], signal), (error) => hasCode(error, 'acme.rejected'));
  }
  await Promise.all([1, 2, 3].map(async () => await session.newOrder(['a.example.com'], signal)));
  assert.ok(count(ca, 'newNonce') <= 2, 'three at once need two more than the pool has');
});

const code = (reason: string): string =>
  networkError(Object.assign(new Error('x'), { code: reason }), 'The CA', false).code;

test('the words of the network become codes', () => {
  for (const reason of [
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'CERT_HAS_EXPIRED',
    'ERR_TLS_CERT_ALTNAME_INVALID',
  ])
    assert.equal(code(reason), 'issuer.tls-untrusted', reason);
  for (const reason of ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ECONNRESET', 'UND_ERR_SOCKET'])
    assert.equal(code(reason), 'issuer.unreachable', reason);
  for (const reason of ['UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT']) assert.equal(code(reason), 'issuer.timeout', reason);
  assert.equal(code('HPE_INVALID_CONSTANT'), 'issuer.response-invalid');
  const many = new AggregateError([Object.assign(new Error('x'), { code: 'ECONNREFUSED' })]);
  assert.match(networkError(many, 'The CA', false).message, /ECONNREFUSED/);
});

test('a directory that is no https URL is refused before anything is sent', async () => {
  for (const directory of ['http://127.0.0.1:1/dir', 'not a url']) {
    await using transport = new AcmeTransport({ directory, clock: systemClock });
    const session = new AcmeSession(transport, { directory, keyPem });
    await assert.rejects(session.register(undefined, signal), /over https \(RFC 8555 §6\.1\)/);
  }
});
