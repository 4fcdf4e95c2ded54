import { fetchOnce } from './http.ts';
import { freePort, freePorts } from './ports.ts';
import { findTool } from './tools.ts';
import { until } from './until.ts';

export interface DnsRequest {
  Question: { Name: string; Qtype: number; Qclass: number };
}

/** A DNS server for tests that answers 127.0.0.1 for every name and no AAAA, until told otherwise. */
export interface ChallengeDns extends AsyncDisposable {
  /** host:port, UDP and TCP. */
  readonly address: string;
  setDefaultIPv4(address: string): Promise<void>;
  addA(host: string, ...addresses: string[]): Promise<void>;
  clearA(host: string): Promise<void>;
  addAaaa(host: string, ...addresses: string[]): Promise<void>;
  clearAaaa(host: string): Promise<void>;
  setCname(host: string, target: string): Promise<void>;
  clearCname(host: string): Promise<void>;
  setTxt(host: string, value: string): Promise<void>;
  clearTxt(host: string): Promise<void>;
  setServfail(host: string): Promise<void>;
  clearServfail(host: string): Promise<void>;
  requests(host: string): Promise<DnsRequest[]>;
}

export async function challengeDns(): Promise<ChallengeDns> {
  await using stack = new AsyncDisposableStack();
  const program = await findTool('pebble-challtestsrv');
  const [dnsPort = await freePort(), managementPort = await freePort()] = await freePorts(2);
  const address = `127.0.0.1:${dnsPort}`;
  const management = `127.0.0.1:${managementPort}`;
  const disabled = ['-http01', '', '-https01', '', '-tlsalpn01', ''];
  const addresses = ['-defaultIPv4', '127.0.0.1', '-defaultIPv6', ''];
  const server = stack.use(program.spawn(['-dns01', address, '-management', management, ...disabled, ...addresses]));

  const post = async (path: string, body: unknown): Promise<string> => {
    const answer = await fetchOnce(`http://${management}/${path}`, { method: 'POST', body: JSON.stringify(body) });
    if (answer.status !== 200) throw new Error(`challtestsrv ${path}: ${answer.status} ${answer.body}`);
    return answer.body;
  };
  const tell = async (path: string, body: unknown): Promise<void> => void (await post(path, body));
  await until(async () => (server.exit ? true : (await post('dns-request-history', { host: 'ready' })) !== ''), {
    what: 'challtestsrv answering',
  });
  if (server.exit) throw new Error(`challtestsrv ended:\n${server.output}`);

  const parts = stack.move();
  return {
    address,
    setDefaultIPv4: async (ip) => await tell('set-default-ipv4', { ip }),
    addA: async (host, ...ips) => await tell('add-a', { host, addresses: ips }),
    clearA: async (host) => await tell('clear-a', { host }),
    addAaaa: async (host, ...ips) => await tell('add-aaaa', { host, addresses: ips }),
    clearAaaa: async (host) => await tell('clear-aaaa', { host }),
    setCname: async (host, target) => await tell('set-cname', { host, target }),
    clearCname: async (host) => await tell('clear-cname', { host }),
    setTxt: async (host, value) => await tell('set-txt', { host: fullyQualified(host), value }),
    clearTxt: async (host) => await tell('clear-txt', { host: fullyQualified(host) }),
    setServfail: async (host) => await tell('set-servfail', { host }),
    clearServfail: async (host) => await tell('clear-servfail', { host }),
    requests: async (host) =>
      JSON.parse(await post('dns-request-history', { host: host.replace(/\.$/, '') })) as DnsRequest[],
    [Symbol.asyncDispose]: async () => await parts.disposeAsync(),
  };
}

function fullyQualified(host: string): string {
  return host.endsWith('.') ? host : `${host}.`;
}
