/** Where versions are written to, by the kind of output. The Kubernetes client (60 MB) is loaded when a Secret is first written. */
import type { CertificateId, KubernetesSecretOutput, OutputSpec } from '../core/certificate.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Output } from '../core/ports/output.ts';
import type { KubernetesAccess } from '../core/terminator.ts';
import { createFilesOutput } from '../deliver/files-output.ts';
import { ReloadCommands } from '../deliver/reload-commands.ts';
import type { KubernetesClient } from '../kubernetes/client.ts';

export interface OutputFactoryDeps {
  readonly clock: Clock;
  readonly access: () => KubernetesAccess;
  readonly installationId: string;
}

export function createOutputFactory({
  clock,
  access,
  installationId,
}: OutputFactoryDeps): (spec: OutputSpec, id: CertificateId) => Output {
  const reloads = new ReloadCommands({ clock });
  let made: { readonly key: string; readonly client: KubernetesClient } | undefined;

  async function secretOutput(spec: KubernetesSecretOutput, id: CertificateId): Promise<Output> {
    const [{ createKubernetesClient }, { createSecretOutput }] = await Promise.all([
      import('../kubernetes/client.ts'),
      import('../kubernetes/secret-output.ts'),
    ]);
    const key = JSON.stringify(access());
    if (made?.key !== key) made = { key, client: createKubernetesClient(access()) };
    return createSecretOutput(spec, { client: made.client, certificateId: id, installationId });
  }

  return (spec, id) => {
    if (spec.kind === 'files') return createFilesOutput(spec, { reloads });
    return {
      spec,
      deliver: async (version, signal) => await (await secretOutput(spec, id)).deliver(version, signal),
      current: async (signal, wanted) => await (await secretOutput(spec, id)).current(signal, wanted),
    };
  };
}
