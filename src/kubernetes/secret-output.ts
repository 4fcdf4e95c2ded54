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
/** Says which certificate a Secret belongs to; setting it by hand hands an existing Secret over. */
export const certificateAnnotation = 'certplane.dev/certificate';
const managedByLabel = 'app.kubernetes.io/managed-by';

export function createSecretOutput(
  spec: KubernetesSecretOutput,
  client: KubernetesClient,
  certificateId: CertificateId,
): Output {
  const { namespace, name } = spec;
  const what = `Secret ${namespace}/${name}`;

  async function read(signal: AbortSignal): Promise<V1Secret | undefined> {
    try {
      return await client.core.readNamespacedSecret({ namespace, name }, client.options(signal));
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw fromKubernetes(error, what, signal);
    }
  }

  function refuseForeign(secret: V1Secret): void {
    const owner = secret.metadata?.annotations?.[certificateAnnotation];
    if (owner === certificateId) {
      if (secret.type === 'kubernetes.io/tls') return;
      throw new CertplaneError(
        'output.not-owned',
        `${what} has the type ${secret.type ?? 'Opaque'}, which cannot be changed. Delete it, or choose another name.`,
      );
    }
    const whose = owner === undefined ? 'was not made by Certplane' : `belongs to the certificate ${owner}`;
    throw new CertplaneError(
      'output.not-owned',
      `${what} ${whose} and is left alone. Choose another name, delete it, or hand it over with: ` +
        `kubectl annotate -n ${namespace} secret ${name} ${certificateAnnotation}=${certificateId} --overwrite`,
    );
  }

  return {
    spec,
    async deliver(version: DeliverableVersion, signal: AbortSignal) {
      const existing = await read(signal);
      if (existing !== undefined) refuseForeign(existing);
      const blocks = splitChain(version.bundle.chainPem);
      const body: V1Secret = {
        apiVersion: 'v1',
        kind: 'Secret',
        type: 'kubernetes.io/tls',
        metadata: {
          name,
          namespace,
          labels: { [managedByLabel]: 'certplane' },
          annotations: {
            [certificateAnnotation]: certificateId,
            'certplane.dev/version': version.versionId,
            'certplane.dev/fingerprint256': version.fingerprint256,
          },
          // Another writer between our look and our apply is a conflict, not an overwrite.
          ...(existing?.metadata?.resourceVersion === undefined
            ? {}
            : { resourceVersion: existing.metadata.resourceVersion }),
        },
        data: {
          'tls.crt': base64(version.bundle.chainPem),
          'tls.key': base64(version.bundle.keyPem),
          'ca.crt': base64(version.caPem ?? blocks.at(-1) ?? ''),
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
    async current(signal) {
      const secret = await read(signal);
      if (secret?.metadata?.annotations?.[certificateAnnotation] !== certificateId) return undefined;
      const text = (name: string): string => Buffer.from(secret.data?.[name] ?? '', 'base64').toString('utf8');
      try {
        const facts = readBundle({ chainPem: text('tls.crt'), keyPem: text('tls.key') });
        const { fingerprint256, names, notBefore, notAfter } = facts;
        return { fingerprint256, names, notBefore, notAfter, intact: true };
      } catch (error) {
        if (error instanceof CertplaneError) return undefined; // no usable pair: the next delivery replaces it
        throw error;
      }
    },
  };
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
