/** The certificates of a file as specs, and what two of them cannot share. */
import type { CertificateSpec, KeyPolicy, OutputSpec } from '../core/certificate.ts';
import { parseEach, parseFields, type Fields } from './issues.ts';
import { resolvePath, type PathBase } from './paths.ts';
import type { Path } from './position.ts';
import { formatPath } from './position.ts';
import type { ProblemList } from './problems.ts';
import { certificateSchema, outputSchema, type CertificateInput, type OutputInput } from './schema/certificates.ts';
import { certificateName } from './schema/names.ts';

export const defaultKey: KeyPolicy = { algorithm: 'ecdsa', size: 256 };
const defaultReloadTimeoutMs = 30_000;

/** A spec whose issuers are still as written. */
export interface WrittenCertificate {
  readonly path: Path;
  readonly spec: Omit<CertificateSpec, 'issuers'>;
  readonly issuers: readonly string[] | undefined;
  /** It names issuers, and they could not be read. */
  readonly unreadIssuers: boolean;
}

export function readCertificates(section: unknown, base: PathBase, problems: ProblemList): WrittenCertificate[] {
  if (section === undefined) return [];
  const certificates: WrittenCertificate[] = [];
  const places = new Map<string, Path>();
  for (const [name, value] of Object.entries(section as Record<string, unknown>)) {
    const path = ['certificates', name];
    const checked = certificateName(name);
    if ('problem' in checked) problems.error(path, checked.problem, 'key');
    const parsed = parseFields(certificateSchema, value, { path, problems, except: ['outputs'] });
    if (parsed === undefined) continue;
    const { fields } = parsed;
    const written = (value as { outputs?: unknown }).outputs;
    const list = { entry: outputSchema, path: [...path, 'outputs'], problems };
    const dnsNames = distinctNames(fields.dnsNames ?? [], [...path, 'dnsNames'], problems);
    const key = readKey(fields.key, [...path, 'key'], problems);
    const outputs = readOutputs(parseEach(certificateSchema.shape.outputs, written, list), list.path, {
      base,
      problems,
      places,
    });
    const lifetime = fields.lifetime === undefined ? {} : { lifetimeMs: fields.lifetime };
    const spec = { id: `file/${name}`, name, dnsNames, key, ...lifetime, outputs };
    certificates.push({
      path,
      issuers: fields.issuers,
      unreadIssuers: fields.issuers === undefined && 'issuers' in (value as object),
      spec,
    });
  }
  return certificates;
}

function distinctNames(names: readonly string[], path: Path, problems: ProblemList): readonly string[] {
  const distinct = [...new Set(names)];
  if (distinct.length < names.length) {
    const twice = names.find((name, i) => names.indexOf(name) < i);
    problems.warning(path, `The name ${twice} is listed twice; write it once.`);
  }
  return distinct;
}

function readKey(input: CertificateInput['key'], path: Path, problems: ProblemList): KeyPolicy {
  if (input === undefined) return defaultKey;
  const { algorithm, size } = input;
  if (algorithm === 'ecdsa') {
    const ecdsa = size ?? 256;
    if (ecdsa === 256 || ecdsa === 384) return { algorithm, size: ecdsa };
    const instead = ecdsa >= 1024 ? '256 or 384, or algorithm: rsa for this size' : '256 or 384';
    problems.error([...path, 'size'], `An ecdsa key cannot have ${ecdsa} bits; write ${instead}.`);
    return defaultKey;
  }
  const rsa = size ?? 2048;
  if (rsa === 2048 || rsa === 3072 || rsa === 4096) return { algorithm, size: rsa };
  problems.error([...path, 'size'], `An rsa key cannot have ${rsa} bits; write 2048, 3072 or 4096.`);
  return defaultKey;
}

interface OutputContext {
  readonly base: PathBase;
  readonly problems: ProblemList;
  /** Output id to the path of its first mention. */
  readonly places: Map<string, Path>;
}

function readOutputs(
  inputs: readonly (Fields<typeof outputSchema> | undefined)[],
  path: Path,
  { base, problems, places }: OutputContext,
): OutputSpec[] {
  const outputs: OutputSpec[] = [];
  for (const [i, input] of inputs.entries()) {
    if (input?.complete !== true) continue;
    const at = [...path, i];
    const output = readOutput(input.fields, at, { base, problems });
    if (output === undefined) continue;
    const first = places.get(output.id);
    if (first === undefined) {
      places.set(output.id, at);
      outputs.push(output);
    } else if (output.kind === 'files') {
      const message = `${output.directory} is already the output ${formatPath(first)}; write another directory.`;
      problems.error([...at, 'files', 'directory'], message);
    } else {
      const message = `The Secret ${output.namespace}/${output.name} is already the output ${formatPath(first)}; write another name.`;
      problems.error([...at, 'kubernetesSecret', 'name'], message);
    }
  }
  return outputs;
}

function readOutput(
  { files, kubernetesSecret, reloadCommand, reloadTimeout }: OutputInput,
  path: Path,
  { base, problems }: Omit<OutputContext, 'places'>,
): OutputSpec | undefined {
  if ((files === undefined) === (kubernetesSecret === undefined)) {
    const message =
      'An output is exactly one of files and kubernetesSecret; write one of them, and a list entry for each.';
    problems.error(path, message);
    return undefined;
  }
  if (kubernetesSecret !== undefined) {
    for (const [key, value] of Object.entries({ reloadCommand, reloadTimeout })) {
      if (value === undefined) continue;
      problems.error(
        [...path, key],
        `${key} belongs to files; a Secret has nothing to reload, so leave it out.`,
        'key',
      );
    }
    const { namespace, name } = kubernetesSecret;
    return { kind: 'kubernetesSecret', id: `secret:${namespace}/${name}`, namespace, name };
  }
  if (files === undefined) return undefined;
  const directory = resolvePath(files.directory, base);
  if (directory === '/') {
    problems.error(
      [...path, 'files', 'directory'],
      'The files need a directory of their own; write for example ./live/shop.',
    );
    return undefined;
  }
  if (reloadTimeout !== undefined && reloadCommand === undefined) {
    problems.warning(
      [...path, 'reloadTimeout'],
      'reloadTimeout does nothing without reloadCommand; add one, or leave it out.',
    );
  }
  return {
    kind: 'files',
    id: `files:${directory}`,
    directory,
    ...(files.owner === undefined ? {} : { owner: files.owner }),
    ...(files.group === undefined ? {} : { group: files.group }),
    ...(reloadCommand === undefined ? {} : { reloadCommand }),
    reloadTimeoutMs: reloadTimeout ?? defaultReloadTimeoutMs,
  };
}
