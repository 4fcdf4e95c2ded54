import { writeFile } from 'node:fs/promises';
import { challengeDns, type ChallengeDns } from './challenge-dns.ts';
import { fetchOnce } from './http.ts';
import { freePorts } from './ports.ts';
import { type RunningProcess } from './process.ts';
import { tempDir } from './tempdir.ts';
import { TestCa } from './test-ca.ts';
import { findTool } from './tools.ts';
import { until } from './until.ts';

export interface PebbleOptions {
  /** Where http-01 validation connects: the port on which the solver or terminator listens. */
  httpPort?: number;
  /** The same for tls-alpn-01. */
  tlsPort?: number;
  /** Share of good nonces refused, in percent. */
  nonceRejectPercent?: number;
  /** Share of valid authorizations used again for a new order, in percent; 0 makes each order validate. */
  authzReusePercent?: number;
  /** Lifetime of what it issues; 90 days by default. */
  certificateValiditySeconds?: number;
  /** Alternate roots offered by `Link: rel="alternate"`. */
  alternateRoots?: number;
  /** Intermediates between leaf and root. */
  chainLength?: number;
  /** Key id to base64url HMAC key; given, accounts need external account binding. */
  externalAccountKeys?: Record<string, string>;
  /** Names it refuses with rejectedIdentifier. */
  blockedDomains?: string[];
  /** More environment, such as PEBBLE_VA_SLEEPTIME. */
  env?: NodeJS.ProcessEnv;
}

export interface Pebble extends AsyncDisposable {
  readonly directoryUrl: string;
  /** What the directory's own HTTPS is trusted by, as a file and as PEM. */
  readonly caFile: string;
  readonly caPem: string;
  readonly httpPort: number;
  readonly tlsPort: number;
  readonly managementUrl: string;
  readonly dns: ChallengeDns;
  readonly process: RunningProcess;
  /** The root that issued certificates chain to; new at each start of Pebble. */
  rootPem(index?: number): Promise<string>;
  intermediatePem(index?: number): Promise<string>;
  certificateStatus(serialHex: string): Promise<'Valid' | 'Revoked' | 'unknown'>;
  /** Its log so far, a line an entry. */
  log(): string[];
  /**
   * Requests so far whose "METHOD /path" matches; a string matches its start, and one without a method any method.
   * Counts requests answered with badNonce too: `ordersCreated` and `certificatesIssued` do not.
   */
  countRequests(pattern: RegExp | string): number;
  ordersCreated(): number;
  certificatesIssued(): number;
  /** Forgets nothing and answers nothing, until `resume`. */
  pause(): void;
  resume(): void;
}

/** A real ACME server: Pebble, strict, with a DNS of its own that answers 127.0.0.1 for every name. */
export async function startPebble(options: PebbleOptions = {}): Promise<Pebble> {
  await using stack = new AsyncDisposableStack();
  const program = await findTool('pebble');
  const directory = stack.use(await tempDir('pebble-'));
  const [port, managementPort, freeHttp, freeTls] = (await freePorts(4)) as [number, number, number, number];
  const { httpPort = freeHttp, tlsPort = freeTls } = options;
  const ca = await TestCa.create('Pebble directory CA');
  const leaf = await ca.issue({ dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] });
  const caFile = directory.join('ca.pem');
  await writeFile(caFile, ca.certPem);
  await writeFile(directory.join('cert.pem'), leaf.certPem);
  await writeFile(directory.join('key.pem'), leaf.keyPem, { mode: 0o600 });
  await writeFile(
    directory.join('config.json'),
    JSON.stringify({
      pebble: {
        listenAddress: `127.0.0.1:${port}`,
        managementListenAddress: `127.0.0.1:${managementPort}`,
        certificate: directory.join('cert.pem'),
        privateKey: directory.join('key.pem'),
        httpPort,
        tlsPort,
        ocspResponderURL: '',
        externalAccountBindingRequired: options.externalAccountKeys !== undefined,
        externalAccountMACKeys: options.externalAccountKeys ?? {},
        domainBlocklist: options.blockedDomains ?? [],
        certificateValidityPeriod: options.certificateValiditySeconds ?? 90 * 86_400,
      },
    }),
  );
  const dns = stack.use(await challengeDns());
  const server = stack.use(
    program.spawn(['-config', directory.join('config.json'), '-strict', '-dnsserver', dns.address], {
      env: {
        PEBBLE_VA_NOSLEEP: '1',
        PEBBLE_WFE_NONCEREJECT: String(options.nonceRejectPercent ?? 20),
        PEBBLE_ALTERNATE_ROOTS: String(options.alternateRoots ?? 0),
        PEBBLE_CHAIN_LENGTH: String(options.chainLength ?? 1),
        ...(options.authzReusePercent === undefined ? {} : { PEBBLE_AUTHZREUSE: String(options.authzReusePercent) }),
        ...options.env,
      },
    }),
  );
  const directoryUrl = `https://localhost:${port}/dir`;
  const managementUrl = `https://localhost:${managementPort}`;
  const get = async (url: string) =>
    await fetchOnce(url, { ca: ca.certPem, connectTo: { port: Number(new URL(url).port) } });
  const managed = async (path: string): Promise<string> => (await get(`${managementUrl}${path}`)).body;
  await until(
    async () => {
      if (server.exit) return true; // reported below, with its output
      return (await get(directoryUrl)).status === 200;
    },
    { what: 'Pebble answering' },
  );
  if (server.exit) throw new Error(`Pebble ended:\n${server.output}`);

  const parts = stack.move();
  return {
    directoryUrl,
    caFile,
    caPem: ca.certPem,
    httpPort,
    tlsPort,
    managementUrl,
    dns,
    process: server,
    rootPem: async (index = 0) => await managed(`/roots/${index}`),
    intermediatePem: async (index = 0) => await managed(`/intermediates/${index}`),
    certificateStatus: async (serialHex) => {
      const { status, body } = await get(`${managementUrl}/cert-status-by-serial/${serialHex.replace(/^0+/, '')}`);
      return status === 200 ? (JSON.parse(body) as { Status: 'Valid' | 'Revoked' }).Status : 'unknown';
    },
    log: () => server.lines,
    countRequests: (pattern) => requests(server.lines).filter((line) => matches(line, pattern)).length,
    ordersCreated: () => server.lines.filter((line) => /Added order "[^"]+" to the db/.test(line)).length,
    certificatesIssued: () => server.lines.filter((line) => line.includes('Issued certificate serial')).length,
    pause: () => void server.kill('SIGSTOP'),
    resume: () => void server.kill('SIGCONT'),
    [Symbol.asyncDispose]: async () => {
      server.kill('SIGCONT');
      await parts.disposeAsync();
    },
  };
}

function requests(lines: string[]): string[] {
  return lines.flatMap((line) => line.match(/\b([A-Z]+ \/\S*) -> calling handler/)?.[1] ?? []);
}

function matches(request: string, pattern: RegExp | string): boolean {
  if (typeof pattern !== 'string') return pattern.test(request);
  return request.startsWith(pattern) || request.slice(request.indexOf(' ') + 1).startsWith(pattern);
}
