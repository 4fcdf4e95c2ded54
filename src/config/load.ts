/** Reads a configuration file: every problem at once, or the configuration. */
import { dirname, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import type { KubernetesAccess, ListenAddress, TerminatorSettings } from '../core/terminator.ts';
import { adminRoute, checkListeners } from './admin.ts';
import { readCertificates, type WrittenCertificate } from './certificates.ts';
import { automaticCertificates, sortedById } from './desired.ts';
import { parseText } from './document.ts';
import { isMapping, parsePart, unknownKey } from './issues.ts';
import { readIssuers } from './issuers.ts';
import type { Config, ConfigProblem } from './model.ts';
import { homeOf, readSmallFile, resolvePath } from './paths.ts';
import { ProblemList } from './problems.ts';
import { resolveIssuers } from './references.ts';
import { fileSchema } from './schema.ts';
import { knownKeys } from './schema/walk.ts';
import type { NamedFile } from './terminator/context.ts';
import { readTerminator } from './terminator/settings.ts';
import { describeValue } from './values/parsed.ts';

/** 30,000 certificates with outputs are about 6 MiB. */
const mostBytes = 32 * 1024 * 1024;

export interface LoadOptions {
  /** Path of the file, relative to the working directory or absolute. */
  readonly file: string;
  /** For `${ENV_NAME}`, `HOME` and `CERTPLANE_DATA_DIR`. */
  readonly env: NodeJS.ProcessEnv;
  /** In place of the file's `dataDir` and of `CERTPLANE_DATA_DIR`; relative to the working directory. */
  readonly dataDir?: string | undefined;
  /** The process that runs: the configuration is one that it can take over, with what it cannot change as it is. */
  readonly running?: Fixed | undefined;
}

/** What stays as it is until the process ends. */
export interface Fixed {
  readonly dataDir: string;
  readonly adminListen: ListenAddress;
}

export interface LoadResult {
  /** Absent when there is an error among the problems. */
  readonly config?: Config;
  /** In the order of the file; warnings too. */
  readonly problems: readonly ConfigProblem[];
  /** Options whose new value waits for a restart of the process that runs. */
  readonly restartNeeded: readonly string[];
}

/**
 * Never throws for what the file contains or for a file that cannot be read: that is a problem too.
 * Reads the files that it names (caBundle, secrets) and nothing else.
 */
export async function loadConfig(options: LoadOptions): Promise<LoadResult> {
  const { config, problems, restartNeeded } = await loadLocated(options);
  return { ...(config === undefined ? {} : { config }), problems: problems.sorted(), restartNeeded };
}

export interface Located {
  readonly config?: Config;
  /** Still open, so that more can be added at their places in the file. */
  readonly problems: ProblemList;
  /** Files that the terminator will read; nobody has looked at them yet. */
  readonly files: readonly NamedFile[];
  readonly restartNeeded: readonly string[];
}

export async function loadLocated(options: LoadOptions): Promise<Located> {
  const file = resolve(options.file);
  const read = await readSmallFile(file, mostBytes);
  // What is no UTF-8 has been replaced by U+FFFD, which nobody writes.
  const unreadable = 'text' in read && read.text.includes('\ufffd');
  if ('text' in read && !unreadable) return await loadText(read.text, { ...options, file });
  const problems = new ProblemList(() => undefined);
  problems.error([], 'problem' in read ? read.problem : 'The file is not UTF-8 text; save it as UTF-8.');
  return { problems, files: [], restartNeeded: [] };
}

/** `file` is where the text is from: absolute, for relative paths in it. */
async function loadText(text: string, options: LoadOptions): Promise<Located> {
  const document = parseText(text);
  const problems = new ProblemList((at, what) => document.locator.at(at, what));
  problems.add(document.problems);
  const { root } = document;
  const usable = root === null ? problems.errors === 0 : isMapping(root);
  if (root !== null && !usable) {
    problems.error([], `The file is ${describeValue(root)}; write options such as terminator: { routes: [] }.`);
  }
  const files: NamedFile[] = [];
  if (!usable) return { problems, files, restartNeeded: [] };
  const { config, restartNeeded } = await build(isMapping(root) ? root : {}, { problems, files }, options);
  if (problems.errors === 0 && config.certificates.length === 0 && config.terminator === undefined) {
    const what = root === null ? 'The file is empty' : 'The file has no certificates and no terminator';
    problems.warning([], `${what}: nothing is issued and nothing is served.`);
  }
  return { ...(problems.errors > 0 ? {} : { config }), problems, files, restartNeeded };
}

/** What it returns is right only when no error was reported. */
async function build(
  root: Readonly<Record<string, unknown>>,
  { problems, files }: { problems: ProblemList; files: NamedFile[] },
  { file, env, dataDir, running }: LoadOptions,
): Promise<{ config: Config; restartNeeded: readonly string[] }> {
  const base = { directory: dirname(file), home: homeOf(env) };
  const known = knownKeys(fileSchema);
  for (const key of Object.keys(root)) if (!known.includes(key)) problems.error([key], unknownKey(key, known), 'key');
  const part = <T extends z.ZodType>(key: string, schema: T): z.output<T> | undefined =>
    parsePart(schema, root[key], [key], problems);
  const { shape } = fileSchema;

  const override = dataDir ?? nonEmpty(env['CERTPLANE_DATA_DIR']);
  const writtenDataDir = part('dataDir', shape.dataDir) ?? './data';
  const admin = part('admin', shape.admin);
  const written: Fixed = {
    dataDir: override === undefined ? resolvePath(writtenDataDir, base) : resolve(override),
    adminListen: admin?.listen ?? { host: '127.0.0.1', port: 8484 },
  };
  const fixed = running ?? written;
  const metrics = part('metrics', shape.metrics);
  const concurrency = part('issuance', shape.issuance)?.concurrency ?? 1;
  const defaults = part('defaults', shape.defaults);
  const kubernetesInput = part('kubernetes', shape.kubernetes);
  const kubernetes: KubernetesAccess = {
    ...(kubernetesInput?.kubeconfig === undefined ? {} : { kubeconfig: resolvePath(kubernetesInput.kubeconfig, base) }),
    ...(kubernetesInput?.context === undefined ? {} : { context: kubernetesInput.context }),
  };
  const issuers = await readIssuers(mapping(root, 'issuers', problems), { base, env, problems });
  const certificates = readCertificates(mapping(root, 'certificates', problems), base, problems);
  const section = root['terminator'];
  const adminHosts = section === undefined ? [] : (admin?.hosts ?? []);
  const terminator =
    section === undefined
      ? undefined
      : readTerminator(section, kubernetes, {
          base,
          dataDir: fixed.dataDir,
          problems,
          issuers,
          certificates: namesByCertificate(root['certificates'], certificates),
          adminHosts,
          files,
        });

  const hosts = [...(terminator?.hosts ?? []), ...adminHosts.map((host, i) => ({ host, path: ['admin', 'hosts', i] }))];
  const automatic = automaticCertificates(
    hosts,
    certificates.flatMap(({ spec }) => spec.dnsNames),
  );
  const resolved = resolveIssuers([...certificates, ...automatic], issuers, { written: defaults?.issuers, problems });
  const settings =
    terminator &&
    withExtras(terminator.settings, {
      adminHosts,
      adminListen: fixed.adminListen,
      metrics: metrics?.terminator,
    });
  checkListeners({ admin: written.adminListen, metrics: metrics?.listen, terminator: settings, ...resolved }, problems);

  const needsKubernetes =
    kubernetesInput !== undefined ||
    settings?.kubernetes !== undefined ||
    certificates.some(({ spec }) => spec.outputs.some(({ kind }) => kind === 'kubernetesSecret'));
  const config: Config = {
    file,
    dataDir: fixed.dataDir,
    admin: { listen: fixed.adminListen, hosts: admin?.hosts ?? [] },
    metrics: metrics?.listen ? { listen: metrics.listen } : undefined,
    issuance: { concurrency },
    issuers: resolved.issuers,
    certificates: sortedById(resolved.certificates),
    kubernetes: needsKubernetes ? kubernetes : undefined,
    terminator: settings,
  };
  return { config, restartNeeded: differing(written, fixed) };
}

function differing(written: Fixed, running: Fixed): string[] {
  const paths: readonly [string, keyof Fixed][] = [
    ['dataDir', 'dataDir'],
    ['admin.listen', 'adminListen'],
  ];
  return paths.flatMap(([path, key]) => (isDeepStrictEqual(written[key], running[key]) ? [] : [path]));
}

function withExtras(
  settings: TerminatorSettings,
  extras: { adminHosts: readonly string[]; adminListen: ListenAddress; metrics: ListenAddress | false | undefined },
): TerminatorSettings {
  const admin = adminRoute(extras.adminHosts, extras.adminListen, settings.routes);
  return {
    ...settings,
    ...(admin === undefined
      ? {}
      : {
          routes: [...settings.routes, admin.route],
          backends: { ...settings.backends, [admin.route.action.backend]: admin.backend },
        }),
    ...(extras.metrics ? { metrics: extras.metrics } : {}),
  };
}

/** Those that could not be read, too: naming one is no second problem. */
function namesByCertificate(
  section: unknown,
  read: readonly WrittenCertificate[],
): ReadonlyMap<string, readonly string[]> {
  const unread = Object.keys(isMapping(section) ? section : {}).map((name) => [name, []] as const);
  return new Map([...unread, ...read.map(({ spec }) => [spec.name, spec.dnsNames] as const)]);
}

/** A section of named entries, which are parsed one by one. */
function mapping(
  root: Readonly<Record<string, unknown>>,
  key: 'issuers' | 'certificates',
  problems: ProblemList,
): unknown {
  const value = root[key];
  if (value === undefined) return undefined;
  if (isMapping(value)) return value;
  parsePart(fileSchema.shape[key], value, [key], problems);
  return undefined;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text;
}
