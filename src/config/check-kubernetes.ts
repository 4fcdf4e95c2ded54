/** Whether there are Kubernetes credentials where they are looked for. No request is made. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { parse } from 'yaml';
import type { KubernetesAccess } from '../core/terminator.ts';
import { homeOf, readSmallFile } from './paths.ts';
import type { ProblemList } from './problems.ts';

export async function checkKubernetes(
  { kubeconfig, context }: KubernetesAccess,
  env: NodeJS.ProcessEnv,
  problems: ProblemList,
): Promise<void> {
  if (kubeconfig === undefined) {
    if (await hasDefaultCredentials(env)) return;
    const message =
      'There are no Kubernetes credentials: this is no pod, and there is no ~/.kube/config; write kubernetes: { kubeconfig: path }.';
    problems.warning(['kubernetes'], message);
    return;
  }
  const path = ['kubernetes', 'kubeconfig'];
  const read = await readSmallFile(kubeconfig);
  if ('problem' in read) return problems.warning(path, `${read.problem} Write the path of a kubeconfig.`);
  const contexts = contextsOf(read.text);
  if (contexts === undefined)
    return problems.warning(path, `${kubeconfig} is not a kubeconfig; write the path of one.`);
  const wanted = context ?? contexts.current;
  if (wanted === undefined) {
    problems.warning(
      path,
      `${kubeconfig} has no current context; write context: ${contexts.names[0] ?? 'NAME'} beside it.`,
    );
  } else if (!contexts.names.includes(wanted)) {
    const known = contexts.names.length === 0 ? 'none' : contexts.names.slice(0, 10).join(', ');
    const message = `${kubeconfig} has no context ${wanted}; it has ${known}.`;
    problems.warning(context === undefined ? path : ['kubernetes', 'context'], message);
  }
}

/** As client-node looks for them. */
async function hasDefaultCredentials(env: NodeJS.ProcessEnv): Promise<boolean> {
  if ((env['KUBERNETES_SERVICE_HOST'] ?? '') !== '') return true;
  const named = (env['KUBECONFIG'] ?? '').split(delimiter).filter((file) => file !== '');
  const files = named.length > 0 ? named : [join(homeOf(env), '.kube', 'config')];
  for (const file of files) if (await isReadable(file)) return true;
  return false;
}

async function isReadable(file: string): Promise<boolean> {
  try {
    await access(file, constants.R_OK);
    return true;
  } catch {
    return false; // whatever the reason: it cannot be used
  }
}

/** Undefined when it is no kubeconfig. A context counts only with a cluster that is there. */
function contextsOf(text: string): { readonly names: readonly string[]; readonly current?: string } | undefined {
  let value: unknown;
  try {
    value = parse(text, { uniqueKeys: false, logLevel: 'silent' });
  } catch {
    return undefined; // said by the caller
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { contexts, clusters, 'current-context': current } = value as Record<string, unknown>;
  if (!Array.isArray(contexts) || !Array.isArray(clusters)) return undefined;
  const known = new Set(clusters.map((one) => (one as { name?: unknown } | null)?.name));
  const names = (contexts as ({ name?: unknown; context?: { cluster?: unknown } | null } | null)[]).flatMap((one) =>
    typeof one?.name === 'string' && known.has(one.context?.cluster) ? [one.name] : [],
  );
  return typeof current === 'string' && current !== '' ? { names, current } : { names };
}
