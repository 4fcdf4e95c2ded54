import type { Connection, Inbound, RequestBody } from '../proxy/exchange.ts';

/** One request, filled in by the head parser, and what its connection has to know about it. */
export class Http1Request implements Inbound {
  method = '';
  target = '';
  authority = '';
  host = '';
  readonly headers: string[] = [];
  version: '1.0' | '1.1' = '1.1';
  readonly connection: Connection;
  body: RequestBody | undefined = undefined;
  upgrade: 'websocket' | undefined = undefined;

  /** Bytes of the body; -1: chunked. */
  length = 0;
  /** The client is willing to send another request on this connection. */
  keepAlive = true;
  /** It may wait for 100 before it sends the body. */
  expects = false;

  constructor(connection: Connection) {
    this.connection = connection;
  }
}
