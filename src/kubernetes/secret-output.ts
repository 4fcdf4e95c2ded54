/**
 * A TLS Secret as an output: `kubernetes.io/tls` with tls.crt, tls.key and ca.crt, written by server-side apply under
 * the field manager `certplane`. What somebody else made is never overwritten.
 */
import type { V1Secret } from '@kubernetes/client-node';
import { readBundle, splitChain } from '../core/bundle.ts';
import type { CertificateId, KubernetesSecretOutput } from '../core/certificate.ts';
import { CertplaneError } from '../core/errors.ts';
import type { DeliverableVersion, Output } from '../core/ports/output.ts';
import { fromKubernetes, statusOf, type KubernetesClient } from './client.ts';

const fieldManager = 'certplane';
/** Say which certificate of which installation a Secret belongs to; setting them by hand hands an existing Secret over. */
export const certificateAnnotation = 'certplane.dev/certificate';
export const installationAnnotation = 'certplane.dev/installation';
const versionAnnotation = 'certplane.dev/version';
const fingerprintAnnotation = 'certplane.dev/fingerprint256';
const managedBy = { 'app.kubernetes.io/managed-by': 'certplane' };
const type = 'kubernetes.io/tls';

export interface SecretOutputDeps {
  readonly client: KubernetesClient;
  readonly certificateId: CertificateId;
  /** Another one may write to the same cluster, and may have a certificate of the same id. */
  readonly installationId: string;
}

export function createSecretOutput(
  spec: KubernetesSecretOutput,
  { client, certificateId, installationId }: SecretOutputDeps,
): Output {
  const { namespace, name } = spec;
  const what = `Secret ${namespace}/${name}`;
  const ownership = { [certificateAnnotation]: certificateId, [installationAnnotation]: installationId };

  async function read(signal: AbortSignal): Promise<V1Secret | undefined> {
    try {
      return await client.core.readNamespacedSecret({ namespace, name }, client.options(signal));
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw fromKubernetes(error, what, signal);
    }
  }

  function refuseForeign(secret: V1Secret): void {
    const annotations = secret.metadata?.annotations ?? {};
    if (carries(annotations, ownership)) {
      if (secret.type === type) return;
      throw new CertplaneError(
        'output.not-owned',
        `${what} has the type ${secret.type ?? 'Opaque'}, which cannot be changed. Delete it, or choose another name.`,
      );
    }
    const handOver = Object.entries(ownership).map((pair) => pair.join('='));
    throw new CertplaneError(
      'output.not-owned',
      `${what} ${whose(annotations)} and is left alone. Choose another name, delete it, or hand it over with: ` +
        `kubectl annotate -n ${namespace} secret ${name} ${handOver.join(' ')} --overwrite`,
    );
  }

  function whose(annotations: Readonly<Record<string, string>>): string {
    const { [certificateAnnotation]: certificate, [installationAnnotation]: installation } = annotations;
    if (certificate === undefined) return 'was not made by Certplane';
    if (installation === installationId) return `belongs to the certificate ${certificate}`;
    const other = installation === undefined ? 'an installation that did not leave its id' : installation;
    return `belongs to the certificate ${certificate} of another installation of Certplane (${other})`;
  }

  return {
    spec,
    async deliver(version: DeliverableVersion, signal: AbortSignal) {
      const existing = await read(signal);
      if (existing !== undefined) refuseForeign(existing);
      const body: V1Secret = {
        apiVersion: 'v1',
        kind: 'Secret',
        type,
        metadata: {
          name,
          namespace,
          labels: managedBy,
          annotations: {
            ...ownership,
            [versionAnnotation]: version.versionId,
            [fingerprintAnnotation]: version.fingerprint256,
          },
          // Another writer between our look and our apply is a conflict, not an overwrite.
          ...(existing?.metadata?.resourceVersion === undefined
            ? {}
            : { resourceVersion: existing.metadata.resourceVersion }),
        },
        data: {
          'tls.crt': base64(version.bundle.chainPem),
          'tls.key': base64(version.bundle.keyPem),
          'ca.crt': base64(caOf({ ...version, ...version.bundle })),
        },
      };
      try {
        // Force takes over single fields (an edit by hand) of a Secret that is ours; a new one is applied without it.
        await client.core.patchNamespacedSecret(
          { namespace, name, body, fieldManager, force: existing !== undefined },
          client.options(signal, 'apply'),
        );
      } catch (error) {
        if (statusOf(error) === 409) {
          throw new CertplaneError(
            'output.not-owned',
            `${what} was changed by somebody else at the same moment and was left alone.`,
            { cause: error },
          );
        }
        throw fromKubernetes(error, what, signal);
      }
    },
    async current(signal, wanted) {
      const secret = await read(signal);
      const { annotations = {}, labels = {} } = secret?.metadata ?? {};
      if (!carries(annotations, ownership)) return undefined;
      const text = (field: string): string => Buffer.from(secret?.data?.[field] ?? '', 'base64').toString('utf8');
      try {
        const facts = readBundle({ chainPem: text('tls.crt'), keyPem: text('tls.key') });
        const { fingerprint256, names, notBefore, notAfter } = facts;
        const intact =
          secret?.type === type &&
          carries(labels, managedBy) &&
          annotations[fingerprintAnnotation] === fingerprint256 &&
          (wanted === undefined ||
            (annotations[versionAnnotation] === wanted.id &&
              text('tls.crt') === wanted.chainPem &&
              text('ca.crt') === caOf(wanted)));
        return { fingerprint256, names, notBefore, notAfter, intact };
      } catch (error) {
        if (error instanceof CertplaneError) return undefined; // no usable pair: the next delivery replaces it
        throw error;
      }
    },
  };
}

function caOf({ caPem, chainPem }: { readonly caPem?: string | undefined; readonly chainPem: string }): string {
  return caPem ?? splitChain(chainPem).at(-1) ?? '';
}

function carries(all: Readonly<Record<string, string>>, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([name, value]) => all[name] === value);
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
