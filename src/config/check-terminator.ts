/** What the terminator will read and write: sources, CAs, revocation lists, ticket keys, the access log. */
import { X509Certificate } from 'node:crypto';
import { constants } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createSecureContext } from 'node:tls';
import { findAccount } from '../core/accounts.ts';
import { splitChain } from '../core/bundle.ts';
import { wrongWithTicketKeys } from '../core/ticket-key-file.ts';
import type { TerminatorSettings } from '../core/terminator.ts';
import { readSmallFile } from './paths.ts';
import type { ProblemList } from './problems.ts';
import { allowed, checkDirectory, exists } from './surroundings.ts';
import type { NamedFile } from './terminator/context.ts';

/** Warnings about what is around the terminator. */
export async function checkTerminator(settings: TerminatorSettings, problems: ProblemList): Promise<void> {
  await checkSources(settings.sources, problems);
  await checkUser(settings.runAs, problems);
  const file = settings.accessLog?.file;
  if (file === undefined) return;
  const path = ['terminator', 'accessLog', 'file'];
  if (!(await exists(file)))
    return await checkDirectory(dirname(file), { path, what: 'the directory of the access log' }, problems);
  if ((await stat(file)).isDirectory()) problems.warning(path, `${file} is a directory; write the path of a file.`);
  else if (!(await allowed(file, constants.W_OK))) {
    problems.warning(path, `This user may not write to ${file}; change its owner, or write another path.`);
  }
}

async function checkUser(runAs: TerminatorSettings['runAs'], problems: ProblemList): Promise<void> {
  if (runAs === undefined) return;
  const path = ['terminator', 'user'];
  if (process.getuid?.() !== 0) {
    const message =
      'Workers can change their user only when the terminator is started as root, which this user is not.';
    problems.warning(path, message);
    return;
  }
  const [passwd, group] = await Promise.all([readFile('/etc/passwd', 'utf8'), readFile('/etc/group', 'utf8')]);
  const account = findAccount(runAs, { passwd, group });
  if (typeof account === 'string') problems.error(path, account);
}

async function checkSources(sources: TerminatorSettings['sources'], problems: ProblemList): Promise<void> {
  for (const [i, source] of sources.entries()) {
    if (source.kind !== 'files') continue;
    const path = ['terminator', 'sources', i, 'files', 'directory'];
    const { directory } = source;
    if (!(await exists(directory))) {
      const message = `There is no directory ${directory}, so nothing is served from it; make it, or write another path.`;
      problems.warning(path, message);
    } else if (!(await stat(directory)).isDirectory()) {
      problems.warning(path, `${directory} is not a directory; write the path of one.`);
    } else if (!(await allowed(directory, constants.R_OK | constants.X_OK))) {
      problems.warning(path, `This user may not read ${directory}; change its mode or group, or write another path.`);
    }
  }
}

/** Errors for files that cannot be read, or have nothing usable in them: the terminator would go without them. */
export async function checkFiles(files: readonly NamedFile[], problems: ProblemList): Promise<void> {
  for (const { kind, file, path } of files) {
    const read = await readSmallFile(file, mostBytes[kind]);
    if ('problem' in read) {
      problems.error(path, `${read.problem} Write the path of ${forms[kind]}.`);
      continue;
    }
    const { error, warning } = looks[kind](read.text);
    if (error !== undefined) problems.error(path, `${file} ${error}; write the path of ${forms[kind]}.`);
    if (warning !== undefined) problems.warning(path, `${file} ${warning}`);
    if (kind === 'ticket-keys' && ((await stat(file)).mode & 0o077) !== 0) {
      const message = `${file} can be read by other users, who could then read recorded sessions; run chmod 600 ${file}.`;
      problems.warning(path, message);
    }
  }
}

const mostBytes = { ca: 1_048_576, crl: 16_777_216, 'ticket-keys': 65_536 } as const;

const forms = {
  ca: 'a PEM file with the certificates of CAs',
  crl: 'a PEM file with revocation lists',
  'ticket-keys': 'a file with keys, one a line, as "openssl rand -base64 48" prints them',
} as const;

interface Look {
  readonly error?: string;
  readonly warning?: string;
}

const looks: Readonly<Record<NamedFile['kind'], (text: string) => Look>> = {
  ca: lookAtCertificates,
  crl: lookAtRevocations,
  'ticket-keys': lookAtKeys,
};

function lookAtCertificates(text: string): Look {
  let certificates: X509Certificate[];
  try {
    certificates = splitChain(text).map((block) => new X509Certificate(block));
  } catch {
    return { error: 'has a CERTIFICATE block that cannot be parsed' };
  }
  if (certificates.length === 0) return { error: 'has no CERTIFICATE block in it' };
  if (certificates.every((one) => !one.ca))
    return { warning: 'has no certificate of a CA in it, so nothing verifies.' };
  const now = Date.now();
  if (certificates.every((one) => one.validToDate.getTime() < now)) {
    return { warning: 'has only certificates in it that have expired; put new ones there.' };
  }
  return {};
}

function lookAtRevocations(text: string): Look {
  const blocks = text.match(/-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/g) ?? [];
  if (blocks.length === 0) return { error: 'has no X509 CRL block in it' };
  try {
    // One by one: of a text with several, only the first is looked at.
    for (const crl of blocks) createSecureContext({ crl });
    return {};
  } catch {
    return { error: 'has an X509 CRL block that cannot be parsed' };
  }
}

/** Never repeats a line: they are secrets. */
function lookAtKeys(text: string): Look {
  const wrong = wrongWithTicketKeys(text);
  return wrong === undefined ? {} : { error: `cannot be used: ${wrong.charAt(0).toLowerCase()}${wrong.slice(1, -1)}` };
}
