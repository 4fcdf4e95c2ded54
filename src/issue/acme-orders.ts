import type { Order } from '../acme/documents.ts';
import { problemKind } from '../acme/problems.ts';
import type { AcmeSession, Answered } from '../acme/session.ts';
import { CertplaneError } from '../core/errors.ts';
import { canonicalNames } from '../core/names.ts';
import { createCsr } from '../pki/csr.ts';
import type { StepDeps, Transition } from './acme-transition.ts';

export interface OpenOrder {
  readonly url: string;
  readonly order: Order;
}

/** How many of an account's newest orders are looked at. */
const mostLookedAt = 30;

/**
 * An open order for the same names that this account already has and no other certificate uses: what an attempt left
 * behind whose answer was lost. Undefined also where the CA lists no orders (RFC 8555 §7.1.2.1 is optional in practice).
 */
export async function findOrder(
  deps: StepDeps,
  session: AcmeSession,
  { request, signal }: Transition,
): Promise<OpenOrder | undefined> {
  const wanted = canonicalNames(request.dnsNames).join(' ');
  const taken = await ordersOfOthers(deps, request.certificateId, signal);
  const urls = (await listed(session, signal)).filter((url) => !taken.has(url));
  for (const url of urls.slice(0, mostLookedAt)) {
    const { value: order } = await session.order(url, signal);
    const names = canonicalNames(order.identifiers.map(({ value }) => value.toLowerCase())).join(' ');
    const open = order.status === 'pending' || order.status === 'ready';
    if (open && names === wanted && (order.expires ?? Infinity) > deps.clock.now()) return { url, order };
  }
  return undefined;
}

/** Sends the certificate request; `not-ready` where the CA has not caught up with its own order (RFC 8555 §7.4). */
export async function finalizeOrder(
  session: AcmeSession,
  order: { readonly url: string; readonly finalize: string },
  { request, state, signal }: Transition,
): Promise<Answered<Order> | 'not-ready'> {
  const csr = await createCsr(state.keyPem ?? '', request.dnsNames);
  try {
    return await session.finalize(order, csr, signal);
  } catch (error) {
    if (error instanceof CertplaneError && problemKind(error.problem) === 'orderNotReady') return 'not-ready';
    throw error;
  }
}

async function listed(session: AcmeSession, signal: AbortSignal): Promise<readonly string[]> {
  try {
    return await session.orderUrls(signal);
  } catch (error) {
    // A list that is promised but not there (as at some CAs) is the same as none.
    if (error instanceof CertplaneError && (error.code === 'acme.rejected' || error.code === 'issuer.response-invalid'))
      return [];
    throw error;
  }
}

async function ordersOfOthers(deps: StepDeps, certificateId: string, signal: AbortSignal): Promise<Set<string>> {
  const urls = new Set<string>();
  let after: string | undefined;
  do {
    const page = await deps.store.list('order', { limit: 1000, ...(after === undefined ? {} : { after }) }, signal);
    for (const { value } of page.items) {
      const order = value.data['order'] as { readonly url?: unknown } | undefined;
      if (value.certificateId !== certificateId && typeof order?.url === 'string') urls.add(order.url);
    }
    after = page.next;
  } while (after !== undefined);
  return urls;
}
