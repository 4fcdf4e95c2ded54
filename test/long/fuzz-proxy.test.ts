/** Arbitrary bytes where trusted proxies send PROXY headers. */
import { after, before, suite, test } from 'node:test';
import { terminatorOf, type Site } from '../e2e/site.ts';
import { httpRequest, mutated } from './fuzz-inputs.ts';
import { runSeed, send, startFuzzSite, tcp, type FuzzSite } from './fuzz-site.ts';
import { clientHello, proxyHeader } from './fuzz-tls-inputs.ts';

suite(`PROXY headers of any content (FUZZ_SEED=${runSeed})`, () => {
  let site: FuzzSite;

  before(async () => {
    site = await startFuzzSite({ config: configFor, prologue: 'PROXY TCP4 203.0.113.7 127.0.0.1 40000 443\r\n' });
  });
  after(async () => await site[Symbol.asyncDispose]());

  test('in front of TLS', async (t) => {
    await site.batch(t, 900, async (dice) => {
      const header = dice.chance(85) ? proxyHeader(dice) : Buffer.alloc(0);
      await send(dice, tcp(site.place.https), Buffer.concat([header, clientHello(dice)]));
    });
  });

  test('in front of HTTP', async (t) => {
    await site.batch(t, 700, async (dice) => {
      const header = proxyHeader(dice);
      const bytes = Buffer.concat([header, dice.chance(10) ? header : httpRequest(dice)]);
      await send(dice, tcp(site.place.http), dice.chance(80) ? bytes : mutated(dice, bytes));
    });
  });
});

function configFor(place: Site, backendUrl: string): string {
  const terminator = terminatorOf(place).replaceAll("' }", "', proxyProtocol: true }");
  return `${place.base}
issuers:
  local: { ca: {} }
defaults: { issuers: [local] }
certificates:
  one: { dnsNames: [one.test, www.one.test], lifetime: 90d }
${terminator}
  trustedProxies: [127.0.0.1/32]
  timeouts: { handshake: 1s, header: 1s, idle: 2s, tunnelIdle: 2s, drain: 2s }
  routes:
    - { hosts: [one.test], backend: '${backendUrl}' }
    - { hosts: [www.one.test], respond: { status: 200, body: "hello\\n" } }
    - { hosts: [through.test], passthrough: { backend: 'tcp://${new URL(backendUrl).host}' } }
`;
}
