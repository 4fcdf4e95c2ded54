import assert from 'node:assert/strict';
import test from 'node:test';
import type { Bundle } from '../../../src/core/bundle.ts';
import { TestCa } from '../../support/test-ca.ts';
import { startFront, type TestFront } from './support/front.ts';

const ca = await TestCa.create();
const first = Buffer.alloc(48, 1);
const second = Buffer.alloc(48, 2);
const third = Buffer.alloc(48, 3);

async function issue(...dnsNames: string[]): Promise<Bundle> {
  const leaf = await ca.issue({ dnsNames });
  return { chainPem: leaf.fullchainPem, keyPem: leaf.keyPem };
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  const only = { minVersion: version, maxVersion: version, servername: 'a.test' } as const;
  const resumes = async (front: TestFront, session: Buffer, servername = 'a.test'): Promise<boolean> => {
    const { client, tls } = await front.handshake({ ...only, servername, session });
    assert.equal(client.isSessionReused(), tls.resumed, 'both sides agree');
    assert.equal(tls.serverName, servername, 'the name is known on a resumed connection');
    client.destroy();
    return tls.resumed;
  };

  test(`${version}: a session resumes across a rotation of the certificate`, async () => {
    await using front = await startFront();
    await front.serve('a.test', await issue('a.test'));
    const session = await front.session(only);
    assert.equal(await resumes(front, session), true);
    await front.serve('a.test', await issue('a.test'));
    assert.equal(await resumes(front, session), true);
  });

  test(`${version}: a session resumes while its key is in the list, in whatever place, and not longer`, async () => {
    await using front = await startFront({ ticketKeys: [first] });
    await front.serve('a.test', await issue('a.test'));
    const session = await front.session(only);
    front.front.setTicketKeys([second, first]);
    assert.equal(await resumes(front, session), true, 'one change');
    front.front.setTicketKeys([third, second, first]);
    assert.equal(await resumes(front, session), true, 'two changes');
    front.front.setTicketKeys([third, second]);
    assert.equal(await resumes(front, session), false, 'the key is gone');
  });

  test(`${version}: tickets are made with the first key only, whatever key a client came with`, async () => {
    await using front = await startFront({ ticketKeys: [first] });
    await front.serve('a.test', await issue('a.test'));
    const old = await front.session(only);
    front.front.setTicketKeys([second, first]);
    // Handshakes with an old ticket and without one, mixed: none leaves the old key behind in the context.
    const fresh = await Promise.all(
      Array.from({ length: 6 }, (_, i) =>
        front.session(i % 2 === 0 && version === 'TLSv1.3' ? { ...only, session: old } : only),
      ),
    );
    front.front.setTicketKeys([second]);
    for (const session of fresh) assert.equal(await resumes(front, session), true);
  });

  test(`never (§5.13): a ${version} session of one policy does not resume under another`, async () => {
    const tls = { minVersion: 'TLSv1.2', ciphers: ['ECDHE-ECDSA-AES128-GCM-SHA256'] } as const;
    const { settings } = (await import('./support/front.ts')).frontSettings({ tls });
    await using front = await startFront({ hosts: [{ names: ['b.test'], tls: settings.tls }] });
    await front.serve('a.test', await issue('a.test', 'b.test'));
    await front.serve('b.test', await issue('a.test', 'b.test'));
    await front.serve('c.test', await issue('c.test'));
    const session = await front.session(only);
    assert.equal(await resumes(front, session, 'b.test'), false);
    assert.equal(await resumes(front, session), true);
    assert.notEqual(front.front.policyOf('b.test').id, front.front.policyOf('a.test').id);
    assert.equal(front.front.policyOf('c.test').id, front.front.policyOf('a.test').id);
  });

  test(`${version}: without session tickets nothing is resumed`, async () => {
    await using front = await startFront({ tls: { sessionTickets: false } });
    await front.serve('a.test', await issue('a.test'));
    const { client } = await front.handshake(only);
    const session = client.getSession();
    assert.ok(session);
    assert.equal(await resumes(front, session), false);
  });
}

test('settings that say the same keep sessions; what changes a policy ends them', async () => {
  await using front = await startFront();
  await front.serve('a.test', await issue('a.test'));
  const session = await front.session({ servername: 'a.test' });
  front.configure({ hosts: [{ names: ['other.test'], certificateId: 'file/x' }] });
  assert.equal((await front.handshake({ servername: 'a.test', session })).tls.resumed, true);
  front.configure({ tls: { hsts: { maxAgeSeconds: 1, includeSubdomains: false, preload: false } } });
  assert.equal(
    (await front.handshake({ servername: 'a.test', session })).tls.resumed,
    true,
    'HSTS is no matter of TLS',
  );
  front.configure({ tls: { minVersion: 'TLSv1.3' } });
  assert.equal((await front.handshake({ servername: 'a.test', session })).tls.resumed, false);
});
