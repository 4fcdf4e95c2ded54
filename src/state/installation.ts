import { randomUUID } from 'node:crypto';
import { hasCode } from '../core/errors.ts';
import type { CertificateStore } from '../core/ports/certificate-store.ts';

const key = 'installation-id';

/** Tells this control plane from others that write to the same places. Made once; a backup that is restored carries it on. */
export async function installationId(store: CertificateStore, signal: AbortSignal): Promise<string> {
  const found = await store.find('setting', key, signal);
  if (found !== undefined) return found.value.value;
  try {
    await store.put('setting', { key, value: { value: randomUUID() }, expect: 'absent' }, signal);
  } catch (error) {
    if (!hasCode(error, 'store.conflict')) throw error; // made meanwhile: that one counts
  }
  return (await store.get('setting', key, signal)).value.value;
}
