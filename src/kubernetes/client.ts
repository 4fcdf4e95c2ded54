/** The control plane's typed access to the Kubernetes API: client-node's credentials and calls, our errors, timeouts and cancellation. */
import {
  ApiException,
  CoreV1Api,
  KubeConfig,
  Observable,
  PatchStrategy,
  type ConfigurationOptions,
  type ObservableMiddleware,
} from '@kubernetes/client-node';
import { CertplaneError } from '../core/errors.ts';
import type { KubernetesAccess } from '../core/terminator.ts';

const requestTimeoutMs = 15_000;

export interface KubernetesClient {
  readonly core: CoreV1Api;
  readonly server: string;
  /** Options of one call: cancelled by the signal, ended after 15 s; `apply` marks a server-side apply. */
  options(signal: AbortSignal, kind?: 'apply'): ConfigurationOptions<ObservableMiddleware>;
}

/** Throws `kubernetes.not-configured`. */
export function createKubernetesClient(access: KubernetesAccess): KubernetesClient {
  const config = new KubeConfig();
  try {
    if (access.kubeconfig !== undefined) config.loadFromFile(access.kubeconfig);
    else config.loadFromDefault();
    if (access.context !== undefined) config.setCurrentContext(access.context);
  } catch (cause) {
    throw new CertplaneError(
      'kubernetes.not-configured',
      `The Kubernetes credentials cannot be loaded: ${(cause as Error).message}.`,
      { cause },
    );
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new CertplaneError(
      'kubernetes.not-configured',
      'The kubeconfig has no such context, or its cluster is missing. Check kubernetes.context.',
    );
  }
  return {
    core: config.makeApiClient(CoreV1Api),
    server: cluster.server,
    options(signal, kind) {
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]);
      const middleware: ObservableMiddleware = {
        pre: (request) => {
          request.setSignal(bounded);
          if (kind === 'apply') request.setHeaderParam('Content-Type', PatchStrategy.ServerSideApply);
          return new Observable(Promise.resolve(request));
        },
        post: (response) => new Observable(Promise.resolve(response)),
      };
      return { middleware: [middleware], middlewareMergeStrategy: 'append' };
    },
  };
}

/** HTTP status of an API error, undefined for anything else. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof ApiException ? error.code : undefined;
}

/** The error in our words. Aborts pass through. */
export function fromKubernetes(error: unknown, what: string, signal: AbortSignal): Error {
  if (signal.aborted) return signal.reason as Error;
  if (error instanceof CertplaneError) return error;
  const status = statusOf(error);
  const detail =
    status === undefined ? `the API server cannot be reached: ${reasonOf(error)}` : `${status} ${messageOf(error)}`;
  if (status === 401 || status === 403)
    return new CertplaneError('kubernetes.forbidden', `${what}: the API server refused: ${detail}.`, { cause: error });
  const code =
    status === undefined || status >= 500 || status === 429 ? 'kubernetes.unreachable' : 'output.write-failed';
  return new CertplaneError(code, `${what}: ${detail}.`, { cause: error });
}

/** What is at the bottom of it: "fetch failed" alone helps nobody. */
function reasonOf(error: unknown): string {
  let innermost = error as Error;
  while (innermost.cause instanceof Error) innermost = innermost.cause;
  // A host with several addresses fails once for each.
  const [first] = innermost instanceof AggregateError ? (innermost.errors as Error[]) : [];
  return (first ?? innermost).message;
}

function messageOf(error: unknown): string {
  const { body } = error as { body?: unknown };
  const status = (typeof body === 'string' ? tryParse(body) : body) as { message?: unknown } | undefined;
  return typeof status?.message === 'string' ? status.message.slice(0, 500) : 'without a message';
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return { message: text.slice(0, 200) };
  }
}
