/** What `certplane run` says once it works: where it listens, the line that proves it, and a login link. */
import { relative } from 'node:path';
import type { Config } from '../config/model.ts';
import type { ListenAddress } from '../core/terminator.ts';
import { isWildcard } from '../core/names.ts';

export interface BannerInput {
  readonly config: Config;
  readonly loginLink: string;
  /** Files of private roots by issuer name. */
  readonly roots: ReadonlyMap<string, string>;
  /** Whether the terminator serves by now. */
  readonly serving: boolean;
  /** Terms of service that registering at CAs has accepted. */
  readonly terms: readonly { readonly issuer: string; readonly url: string }[];
}

export function banner({ config, loginLink, roots, serving, terms }: BannerInput): string {
  const { terminator } = config;
  const lines = ['', 'Certplane is running.', ''];
  if (terminator !== undefined) {
    lines.push(
      `  https      ${terminator.https.map((one) => `https://${authority(one)}`).join('  ')}${serving ? '' : '  (not serving yet: see the log)'}`,
    );
    if (terminator.http.length > 0)
      lines.push(
        `  http       ${terminator.http.map((one) => `http://${authority(one)}`).join('  ')}  (redirects to https)`,
      );
  }
  const beyond = adminPages(config);
  lines.push(`  dashboard  ${[`http://${authority(config.admin.listen)}`, ...beyond].join('  ')}`, '');
  const proof = proofLine(config, roots);
  if (proof !== undefined) lines.push('  Try it:', `    ${proof}`, '');
  for (const { issuer, url } of terms) lines.push(`  By running this you accept the terms of ${issuer}: ${url}`, '');
  const { pathname, search } = new URL(loginLink);
  const links = [loginLink, ...beyond.map((page) => `${page}${pathname}${search}`)];
  lines.push('  Log in (works once, for 10 minutes):', ...links.map((link) => `    ${link}`), '');
  return `${lines.join('\n')}\n`;
}

/** Where the terminator serves the admin page, for who sits at another machine. */
function adminPages({ admin, terminator }: Config): string[] {
  const port = terminator?.https[0]?.port;
  if (port === undefined) return [];
  return admin.hosts.map((host) => `https://${host}${port === 443 ? '' : `:${port}`}`);
}

/** A curl command for the first route that plain curl can ask for, and whose certificate comes from a private CA. */
function proofLine(config: Config, roots: ReadonlyMap<string, string>): string | undefined {
  const https = config.terminator?.https[0];
  if (https === undefined) return undefined;
  for (const route of config.terminator?.routes ?? []) {
    const { action, path, methods, headers } = route;
    const isOutOfReach = action.kind === 'tcp' || action.kind === 'passthrough' || path.kind === 'regex';
    if (isOutOfReach || methods?.includes('GET') === false || headers !== undefined) continue;
    for (const host of route.hosts) {
      if (isWildcard(host)) continue;
      const certificate = config.certificates.find((one) => one.dnsNames.includes(host));
      const root = certificate?.issuers.map((name) => roots.get(name)).find((file) => file !== undefined);
      if (root === undefined) continue;
      const file = relative(process.cwd(), root);
      return `curl --cacert ${shellWord(file.startsWith('..') ? root : file)} --connect-to ${host}:${https.port}:${connectHost(https)}:${https.port} https://${host}:${https.port}${path.value}`;
    }
  }
  return undefined;
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** As it stands in a URL; the wildcard addresses by the name that reaches them. */
function authority({ host, port }: ListenAddress): string {
  return `${connectHost({ host, port })}:${port}`;
}

function connectHost({ host }: ListenAddress): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}
