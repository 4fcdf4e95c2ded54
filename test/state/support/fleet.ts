import type { Bundle } from '../../../src/core/bundle.ts';
import { specDigest, type CertificateSpec } from '../../../src/core/certificate.ts';
import type { CertificateStore } from '../../../src/core/ports/certificate-store.ts';
import { silentLog } from '../../../src/core/ports/log.ts';
import type { OrderRecord } from '../../../src/core/records.ts';
import { createFeed, type Feed } from '../../../src/state/feed.ts';
import { createRegistry, type Registry } from '../../../src/state/registry.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { quickCertificate, quickKey } from '../../support/quick-certificate.ts';

export const signal = new AbortController().signal;
export const day = 86_400_000;

export function spec(id: string, more: Partial<CertificateSpec> = {}): CertificateSpec {
  const dnsNames = [`${id.split('/').at(-1)}.example.com`];
  return { id, name: id, dnsNames, issuers: ['ca'], key: { algorithm: 'ecdsa', size: 256 }, outputs: [], ...more };
}

export function bundleFor(
  names: readonly string[],
  validity: { readonly notBefore: number; readonly notAfter: number },
  keyPem = quickKey(),
): Bundle {
  return { chainPem: quickCertificate({ names, ...validity, keyPem }), keyPem };
}

export interface Fleet {
  readonly store: CertificateStore;
  readonly clock: ManualClock;
  readonly feed: Feed;
  readonly registry: Registry;
}

/** Feed and registry loaded from a store: a control process as far as state goes. */
export async function openFleet(store: CertificateStore, clock = new ManualClock()): Promise<Fleet> {
  const feed = createFeed({ store, log: silentLog });
  await feed.load(signal);
  const registry = createRegistry({ store, feed, clock, log: silentLog });
  await registry.load(signal);
  return { store, clock, feed, registry };
}

export async function apply(
  { registry }: Fleet,
  ...specs: CertificateSpec[]
): Promise<{ added: number; changed: number; removed: number }> {
  return await registry.apply(specs, { acceptRemoval: true, actor: 'test' }, signal);
}

export function orderOf(fleet: Fleet, id: string, more: Partial<OrderRecord> = {}): OrderRecord {
  const record = fleet.registry.entry(id)?.record;
  if (record === undefined) throw new Error(`no certificate ${id}`);
  const { dnsNames, key } = record.spec;
  return {
    certificateId: id,
    issuerName: 'ca',
    request: { dnsNames, key },
    digest: specDigest(record.spec),
    reason: { code: 'due', message: 'It was due.' },
    startedAt: fleet.clock.now(),
    step: 'order',
    data: {},
    ...more,
  };
}

/** An order from its start to its version. */
export async function issue(
  fleet: Fleet,
  id: string,
  validity?: { readonly notBefore: number; readonly notAfter: number },
  more: Partial<OrderRecord> = {},
): Promise<Bundle> {
  const order = orderOf(fleet, id, more);
  const now = fleet.clock.now();
  const bundle = bundleFor(order.request.dnsNames, validity ?? { notBefore: now, notAfter: now + 90 * day });
  await fleet.registry.saveOrder(order, undefined, signal);
  await fleet.registry.saveOrder({ ...order, step: 'finalize' }, bundle.keyPem, signal);
  await fleet.registry.completeOrder(id, bundle, signal);
  return bundle;
}
