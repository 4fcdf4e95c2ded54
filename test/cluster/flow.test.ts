import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { missingKube } from '../support/kube.ts';
import { missingTools } from '../support/tools.ts';
import { until } from '../support/until.ts';
import { startClusterSite, type ClusterSite } from './site.ts';

const skip = (await missingKube()) || (await missingTools('pebble', 'pebble-challtestsrv'));

async function secretSerial({ kube }: ClusterSite): Promise<string> {
  const { body } = await kube.request<{ data: Record<string, string> }>(
    'GET',
    '/api/v1/namespaces/shop/secrets/shop-tls',
  );
  return new X509Certificate(Buffer.from(body.data['tls.crt'] ?? '', 'base64')).serialNumber;
}

/** Asks for a renewal and waits until there is a new version; resolves its serial. */
async function renew(site: ClusterSite): Promise<string> {
  const { serial: before } = await site.certificate();
  const { code, stderr } = await site.issuing.cli(['renew', 'shop']);
  assert.equal(code, 0, stderr);
  return await until(
    async () => {
      const { serial } = await site.certificate();
      return serial !== null && serial !== before && serial;
    },
    { timeoutMs: 60_000, what: 'a new version' },
  );
}

test(
  'an ACME certificate reaches a TLS Secret and a terminator that watches Secrets; a renewal and an outage of the API server cost no request',
  { skip },
  async (t) => {
    await using site = await startClusterSite();
    const first = site.firstSerial;
    assert.equal(await secretSerial(site), first);
    await site.servesSerial(first);
    await using keepalive = site.load('keepalive');
    await using fresh = site.load('new');
    const loads = [keepalive, fresh];
    const more = async (requests: number): Promise<void> => {
      await Promise.all(loads.map(async (load) => await load.reached(load.done + requests)));
    };
    await more(300);

    const second = await renew(site);
    await site.servesSerial(second);
    assert.equal(await secretSerial(site), second);
    await more(300);

    await site.kube.stopApiServer();
    await site.serving.process.waitForLine(/"failures":5\b/, { timeoutMs: 60_000 });
    assert.equal(await site.serial(), second);
    assert.equal(await site.metric('certplane_terminator_problems{code="kubernetes.unreachable"}'), 1);
    await more(300);

    await site.kube.startApiServer();
    const third = await renew(site);
    await site.servesSerial(third);
    assert.equal(await secretSerial(site), third);
    await until(
      async () => (await site.metric('certplane_terminator_problems{code="kubernetes.unreachable"}')) === undefined,
      { what: 'the end of the problem' },
    );
    await more(300);
    const summaries = await Promise.all(loads.map(async (load) => await load.stop()));
    assert.deepEqual(
      loads.flatMap(({ failures }) => failures),
      [],
    );
    assert.deepEqual(Object.keys(summaries[1]?.serials['shop.example'] ?? {}), [first, second, third]);
    assert.equal(site.pebble.certificatesIssued(), 3);
    t.diagnostic(`requests: ${summaries.map(({ requests }) => requests).join(' + ')}`);
  },
);

test(
  'a frozen API server changes nothing that is served, not even for a terminator that is started again meanwhile',
  { skip },
  async () => {
    await using site = await startClusterSite();
    const serial = site.firstSerial;
    await site.servesSerial(serial);
    await using load = site.load('new');
    await load.reached(200);

    site.kube.pauseApiServer();
    await load.reached(load.done + 500);
    assert.equal(await site.serial(), serial);
    await load.stop();
    assert.deepEqual(load.failures, []);

    await site.serving.restart();
    assert.equal(await site.serial(), serial, 'from the last-good copy');

    site.kube.resumeApiServer();
    const renewed = await renew(site);
    await site.servesSerial(renewed);
    assert.equal(await secretSerial(site), renewed);
  },
);
