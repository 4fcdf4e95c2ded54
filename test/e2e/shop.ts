/** One certificate with two names from Pebble, served by the terminator: the site that end-to-end tests look at. */
import type { CertificateDetail } from '../../src/api/contract/certificates.ts';
import type { Certplane } from '../support/certplane.ts';
import { fetchOnce } from '../support/http.ts';
import type { Pebble } from '../support/pebble.ts';
import { until } from '../support/until.ts';
import { terminatorOf, type Site } from './site.ts';

export function configFor(place: Site, pebble: Pebble): string {
  return `${place.base}
issuers:
  pebble:
    acme: { directory: '${pebble.directoryUrl}', email: ops@example.com, caBundle: '${pebble.caFile}', solvers: [{ http01: {} }] }
defaults: { issuers: [pebble] }
certificates:
  shop:
    dnsNames: [shop.example, www.shop.example]
    outputs: [{ files: { directory: ./live/shop } }]
${terminatorOf(place)}
  routes:
    - hosts: [shop.example, www.shop.example]
      respond: { status: 200, body: "the shop\\n" }
`;
}

/** The certificate as the API shows it, over the admin socket. */
export async function show(certplane: Certplane, id = 'file/shop'): Promise<CertificateDetail> {
  const socketPath = `${certplane.dir}/data/run/admin.sock`;
  const { status, body } = await fetchOnce(`http://admin/api/v1/certificates/${encodeURIComponent(id)}`, {
    socketPath,
  });
  if (status !== 200) throw new Error(`${status}: ${body}`);
  return JSON.parse(body) as CertificateDetail;
}

/** Waits until it is issued and delivered everywhere. */
export async function ready(certplane: Certplane, what: string, id = 'file/shop'): Promise<CertificateDetail> {
  return await until(
    async () => {
      const shown = await show(certplane, id);
      return shown.phase.state === 'ready' && shown.delivery.state === 'delivered' ? shown : undefined;
    },
    { timeoutMs: 60_000, everyMs: 50, what },
  );
}
