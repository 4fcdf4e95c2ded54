import type { CertificateStore, Stored } from '../core/ports/certificate-store.ts';
import type { RecordKind } from '../core/records.ts';

/** Every record of a kind, page by page. */
export async function* allRecords<K extends RecordKind>(
  store: CertificateStore,
  kind: K,
  signal: AbortSignal,
): AsyncGenerator<Stored<K>> {
  let after: string | undefined;
  do {
    const page = await store.list(kind, { limit: 5000, ...(after === undefined ? {} : { after }) }, signal);
    yield* page.items;
    after = page.next;
  } while (after !== undefined);
}
