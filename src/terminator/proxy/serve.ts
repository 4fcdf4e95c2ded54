/** What a route does with a request. */
import type { CompiledRoute, FixedAnswer } from '../routing/compiled-route.ts';
import type { RequestPath } from '../routing/request-path.ts';
import { redirectLocation } from '../routing/rewrite.ts';
import type { RedirectAction } from '../../core/route.ts';
import { forward } from './forward.ts';
import { headerValue } from './headers.ts';
import { ownHeaders } from './response-headers.ts';
import type { Transaction } from './transaction.ts';

const anyMethod = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

export function serve(transaction: Transaction, route: CompiledRoute, path: RequestPath): void {
  transaction.route = route;
  const { action } = route;
  const { method, headers, connection } = transaction.inbound;
  if ((method === 'OPTIONS' || method === 'TRACE') && headerValue(headers, 'max-forwards') === '0') {
    answerHere(transaction, route); // RFC 9110 §7.6.2: it is meant for us
  } else if (!route.usable) {
    transaction.refuse(503, 'the backend of this route does not exist');
  } else if (action.kind === 'proxy') {
    forward(transaction, route, action, path);
  } else if (action.kind === 'respond') {
    respond(transaction, route.fixed as FixedAnswer);
  } else if (action.kind === 'redirect') {
    redirect(transaction, action, route, path);
  } else if (connection.protocol === 'https') {
    // This connection is somebody else's; one of its own leads to the backend.
    transaction.refuse(421, 'this host is not reached over HTTP on this connection');
  } else transaction.refuse(404, 'this host is not served over http');
}

function answerHere(transaction: Transaction, { methods }: CompiledRoute): void {
  const allow = ['allow', methods?.join(', ') ?? anyMethod];
  if (transaction.inbound.method === 'TRACE') {
    transaction.refuse(405, 'TRACE is not answered here', allow);
    return;
  }
  const { outbound, inbound } = transaction;
  inbound.body?.discard();
  outbound.head(200, '', ownHeaders([...allow, 'content-length', '0'], transaction), false);
  outbound.end([]);
}

function respond(transaction: Transaction, { status, headers, body }: FixedAnswer): void {
  const { outbound, inbound } = transaction;
  inbound.body?.discard();
  outbound.head(status, '', ownHeaders(headers, transaction), false);
  if (body.length > 0 && inbound.method !== 'HEAD') outbound.write(body);
  outbound.end([]);
  outbound.flush();
}

function redirect(transaction: Transaction, action: RedirectAction, route: CompiledRoute, path: RequestPath): void {
  const { authority, connection } = transaction.inbound;
  const location = redirectLocation(action, route, path, { scheme: connection.protocol, authority });
  transaction.refuse(action.status, location, ['location', location]);
}
