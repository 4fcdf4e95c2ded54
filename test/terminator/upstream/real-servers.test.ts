/** Backends that are not node: what they receive is what they say. */
import assert from 'node:assert/strict';
import { Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import { suite, test } from 'node:test';
import { startNginx } from '../../support/nginx.ts';
import { freePort } from '../../support/ports.ts';
import { TestCa } from '../../support/test-ca.ts';
import { missingTools } from '../../support/tools.ts';
import { Answer, backendOf, client, send, startBackends } from './support/backends.ts';

suite('nginx as a backend', { skip: await missingTools('nginx') }, () => {
  test('HTTP/1.1, h2c and h2 over TLS with our certificate', async () => {
    const ca = await TestCa.create();
    const leaf = await ca.issue({ dnsNames: ['app.internal'] });
    const us = await ca.issue({ commonName: 'terminator', client: true });
    const [plain, h2c, tls] = [await freePort(), await freePort(), await freePort()];
    await using nginx = await startNginx({
      port: plain,
      files: { 'chain.pem': leaf.fullchainPem, 'key.pem': leaf.keyPem, 'ca.pem': ca.certPem },
      http: `
server { listen 127.0.0.1:${plain}; location / { return 200 "$server_protocol $host $http_x_one"; } }
server { listen 127.0.0.1:${h2c} http2; location / { return 200 "$server_protocol $host $http_x_one"; } }
server {
  listen 127.0.0.1:${tls} ssl http2; ssl_protocols TLSv1.3; ssl_certificate chain.pem; ssl_certificate_key key.pem;
  ssl_client_certificate ca.pem; ssl_verify_client on;
  location / { return 200 "$server_protocol $ssl_server_name $ssl_client_s_dn $ssl_client_verify"; }
}`,
    });
    assert.ok(nginx.process.exit === undefined);
    const secure = {
      verify: true,
      caFiles: ['/ca.pem'],
      serverName: 'app.internal',
      clientCertificateId: 'file/us',
      minVersion: 'TLSv1.3',
    } as const;
    await using backends = startBackends(
      {
        plain: backendOf([plain]),
        h2c: backendOf([h2c], { protocol: 'http2' }),
        tls: backendOf([tls], { protocol: 'http2', tls: secure }),
      },
      {
        files: { '/ca.pem': ca.certPem },
        clientCertificate: () => Promise.resolve({ chainPem: us.fullchainPem, keyPem: us.keyPem }),
      },
    );
    for (let i = 0; i < 3; i += 1) {
      assert.equal((await send(backends, 'plain', { headers: ['X-One', '1'] })).body, 'HTTP/1.1 shop.test 1');
      assert.equal((await send(backends, 'h2c', { headers: ['X-One', '1'] })).body, 'HTTP/2.0 shop.test 1');
      assert.equal((await send(backends, 'tls')).body, 'HTTP/2.0 app.internal CN=terminator SUCCESS');
    }
  });

  test('never (§5.13): a connection that was announced as one client serves another', async () => {
    const [http1, http2] = [await freePort(), await freePort()];
    await using nginx = await startNginx({
      port: http1,
      http: `
server { listen 127.0.0.1:${http1} proxy_protocol; location / { return 200 "$proxy_protocol_addr:$proxy_protocol_port $proxy_protocol_server_port $connection"; } }
server { listen 127.0.0.1:${http2} http2 proxy_protocol; location / { return 200 "$proxy_protocol_addr:$proxy_protocol_port $proxy_protocol_server_port $connection"; } }`,
    });
    assert.ok(nginx.process.exit === undefined);
    await using backends = startBackends({
      'v1 http1': backendOf([http1], { proxyProtocol: 'v1' }),
      'v2 http1': backendOf([http1], { proxyProtocol: 'v2' }),
      'v2 http2': backendOf([http2], { proxyProtocol: 'v2', protocol: 'http2' }),
    });
    const other = { ...client, address: '2001:db8::9', localAddress: '2001:db8::1', port: 1 };
    for (const name of ['v1 http1', 'v2 http1', 'v2 http2']) {
      const used = new Map<string, Set<string>>();
      for (let i = 0; i < 6; i += 1) {
        const connection = i % 2 === 0 ? client : other;
        const { body, detail } = await send(backends, name, { connection });
        const [address = detail, port, number = ''] = body.split(' ');
        assert.equal(address, `${connection.address}:${connection.port}`, name);
        assert.equal(port, '443');
        used.set(address, (used.get(address) ?? new Set()).add(number));
        for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      }
      assert.deepEqual(
        [...used.values()].map(({ size }) => size),
        [1, 1],
        `${name}: each keeps its own`,
      );
    }
  });
});

test('a gRPC server answers over h2c: messages, status in trailers, and errors without a message', async () => {
  const service: ServiceDefinition = {
    Echo: {
      path: '/test.Echo/Echo',
      requestStream: false,
      responseStream: false,
      requestSerialize: (value: Buffer) => value,
      requestDeserialize: (bytes: Buffer) => bytes,
      responseSerialize: (value: Buffer) => value,
      responseDeserialize: (bytes: Buffer) => bytes,
    },
  };
  const server = new Server();
  server.addService(service, {
    Echo: (call: { request: Buffer }, done: (error: object | null, value?: Buffer) => void) => {
      if (call.request.length === 0) done({ code: 5, details: 'nothing there' });
      else done(null, Buffer.from(call.request.toReversed()));
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  {
    await using backends = startBackends({ app: backendOf([port], { protocol: 'http2' }) });
    const call = async (message: string): Promise<Answer> =>
      await send(
        backends,
        'app',
        {
          method: 'POST',
          target: '/test.Echo/Echo',
          body: 'chunked',
          trailers: true,
          headers: ['content-type', 'application/grpc'],
        },
        new Answer([Buffer.from([0, 0, 0, 0, message.length]), message]),
      );
    const answer = await call('abc');
    assert.equal(answer.header('content-type'), 'application/grpc+proto');
    assert.equal(answer.body.slice(5), 'cba');
    const { trailers = [] } = answer;
    assert.equal(trailers[trailers.indexOf('grpc-status') + 1], '0');
    const none = await call('');
    const all = [...(none.head?.headers ?? []), ...(none.trailers ?? [])];
    assert.equal(all[all.indexOf('grpc-status') + 1], '5');
  }
  server.forceShutdown();
});
