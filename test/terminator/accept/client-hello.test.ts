import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { connect as tlsConnect, TLSSocket } from 'node:tls';
import { createServer, type AddressInfo } from 'node:net';
import { createSecureContext } from 'node:tls';
import fc from 'fast-check';
import type { ClientHello } from '../../../src/terminator/accept/client-hello.ts';
import { HelloReader, type HelloResult } from '../../../src/terminator/accept/hello-reader.ts';
import { launchBrowser } from '../../support/browser.ts';
import { TestCa } from '../../support/test-ca.ts';
import { findTool, missingTools } from '../../support/tools.ts';
import {
  alpn,
  captureFirstBytes,
  extension,
  helloMessage,
  inRecords,
  preSharedKey,
  sessionTicket,
  signatureAlgorithms,
  sni,
  supportedVersions,
  u16,
  u8,
  vector,
  type HelloParts,
} from '../support/client-hellos.ts';

function read(...chunks: readonly Buffer[]): HelloResult {
  const reader = new HelloReader();
  let result: HelloResult = 'more';
  for (const chunk of chunks) {
    result = reader.push(chunk);
    if (result !== 'more') break;
  }
  return result;
}

function hello(...chunks: readonly Buffer[]): ClientHello {
  const result = read(...chunks);
  assert.ok(typeof result === 'object', `${JSON.stringify(result)} instead of a hello`);
  return result;
}

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const borders = [0, ...at.map((one) => one % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return borders.slice(1).map((end, i) => bytes.subarray(borders[i], end));
}

function withExtensions(...extensions: Buffer[]): Buffer {
  return inRecords(helloMessage({ extensions }));
}

const keyName = (...extensions: Buffer[]): Buffer | undefined =>
  hello(withExtensions(...extensions)).sessionTicketKeyName;
const nameOf = (name: string): string | undefined => hello(withExtensions(sni(name))).serverName;
const sized = (size: number): Buffer =>
  helloMessage({ extensions: [sni('a.test'), extension(21, Buffer.alloc(size))] });

const full: HelloParts = {
  extensions: [
    sni('Shop.Example.COM'),
    extension(0x0a0a, Buffer.alloc(0)),
    alpn('h2', 'http/1.1'),
    signatureAlgorithms(0x0403, 0x0804),
    supportedVersions(0x7a7a, 0x0304, 0x0303),
    sessionTicket(Buffer.alloc(40, 5)),
    extension(21, Buffer.alloc(1_500)),
    preSharedKey(Buffer.alloc(64, 9)),
  ],
};
const expected = {
  serverName: 'shop.example.com',
  alpn: ['h2', 'http/1.1'],
  versions: [0x7a7a, 0x0304, 0x0303],
  signatureAlgorithms: [0x0403, 0x0804],
  sessionTicketKeyName: Buffer.alloc(16, 9),
};

test('a hello tells name, protocols, versions, signature algorithms and the key name of its session', () => {
  assert.deepEqual(hello(inRecords(helloMessage(full))), expected);
});

test('a hello without extensions offers its one version and nothing else', () => {
  const found = hello(inRecords(helloMessage({ legacyVersion: 0x0302 })));
  assert.deepEqual(
    { ...found },
    {
      serverName: undefined,
      alpn: [],
      versions: [0x0302],
      signatureAlgorithms: [],
      sessionTicketKeyName: undefined,
    },
  );
  assert.deepEqual(hello(inRecords(helloMessage({ legacyVersion: 0x0304, extensions: [] }))).versions, [0x0303]);
});

test('a TLS 1.2 ticket gives the key name where there is no TLS 1.3 identity; a short one gives none', () => {
  assert.deepEqual(keyName(sessionTicket(Buffer.alloc(160, 5))), Buffer.alloc(16, 5));
  assert.equal(keyName(sessionTicket(Buffer.alloc(0))), undefined);
  assert.equal(keyName(sessionTicket(Buffer.alloc(15))), undefined);
  assert.equal(keyName(preSharedKey(Buffer.alloc(8))), undefined);
  assert.deepEqual(keyName(preSharedKey(Buffer.alloc(99, 1), Buffer.alloc(99, 2))), Buffer.alloc(16, 1));
});

test('names: what no certificate could carry counts as no name', () => {
  for (const [sent, got] of [
    ['a.test', 'a.test'],
    ['A.TEST.', 'a.test'],
    ['localhost', 'localhost'],
    ['_dmarc.xn--bcher-kva.test', '_dmarc.xn--bcher-kva.test'],
    [`${'a'.repeat(63)}.test`, `${'a'.repeat(63)}.test`],
    [`${'a'.repeat(64)}.test`, undefined],
    [`${'a.'.repeat(126)}b`, `${'a.'.repeat(126)}b`],
    [`${'a.'.repeat(126)}bc`, undefined],
    ['127.0.0.1', undefined],
    ['::1', undefined],
    ['*.a.test', undefined],
    ['-a.test', undefined],
    ['a-.test', undefined],
    ['a..test', undefined],
    ['.a.test', undefined],
    ['.', undefined],
    ['a.test..', undefined],
    ['a.t\0st', undefined],
    ['a.tést', undefined],
    ['a/b', undefined],
  ] as const)
    assert.equal(nameOf(sent), got, sent);
});

test('property: a name is what the core says is its canonical form, for names in ASCII', async () => {
  const { normaliseName } = await import('../../../src/core/names.ts');
  const character = fc.constantFrom(...'aZ09-_.'.split(''));
  fc.assert(
    fc.property(fc.string({ unit: character, minLength: 1, maxLength: 80 }), (name) => {
      assert.equal(hello(inRecords(helloMessage({ extensions: [sni(name)] }))).serverName, normaliseName(name));
    }),
    { numRuns: 2_000 },
  );
});

test('property: however a hello is cut into records and chunks, it is read the same', () => {
  const message = helloMessage(full);
  fc.assert(
    fc.property(fc.integer({ min: 40, max: 2_000 }), fc.array(fc.nat(5_000), { maxLength: 12 }), (size, cuts) => {
      const bytes = inRecords(message, size);
      const reader = new HelloReader();
      const chunks = cut(bytes, cuts);
      let result: HelloResult = 'more';
      for (const [i, chunk] of chunks.entries()) {
        result = reader.push(chunk);
        if (result !== 'more') {
          assert.ok(chunks.slice(i + 1).every(({ length }) => length === 0));
          break;
        }
      }
      assert.deepEqual(result, expected);
      assert.ok(reader.bytes.equals(bytes), 'and handed on unchanged');
    }),
    { numRuns: 500 },
  );
});

test('every single border between two records, and every border between two chunks', () => {
  const message = helloMessage(full);
  for (let border = 1; border < message.length; border += 1) {
    const records = [inRecords(message.subarray(0, border)), inRecords(message.subarray(border))];
    assert.deepEqual(read(Buffer.concat(records)), expected);
  }
  const bytes = inRecords(message);
  for (let border = 1; border < bytes.length; border += 1) {
    const reader = new HelloReader();
    assert.equal(reader.push(bytes.subarray(0, border)), 'more');
    assert.deepEqual(reader.push(bytes.subarray(border)), expected);
  }
  assert.deepEqual(read(...Array.from(bytes, (byte) => u8(byte))), expected);
});

test('the first chunk is not written to, and not copied when it holds everything', () => {
  const bytes = inRecords(helloMessage(full));
  const reader = new HelloReader();
  reader.push(bytes);
  assert.equal(reader.bytes.buffer, bytes.buffer);
  const slab = Buffer.concat([bytes.subarray(0, 50), Buffer.alloc(4_000, 0xee)]);
  const second = new HelloReader();
  second.push(slab.subarray(0, 50));
  second.push(bytes.subarray(50));
  assert.ok(slab.subarray(50).every((byte) => byte === 0xee));
});

test('messages up to 64 KiB are read; longer ones, and ones in many small pieces, are refused', () => {
  const largest = sized(65_000);
  assert.equal(hello(inRecords(largest)).serverName, 'a.test');
  const tooLong = Buffer.from(largest);
  tooLong.writeUIntBE(65_537, 1, 3);
  assert.equal(read(inRecords(tooLong)), 'malformed');
  assert.equal(read(inRecords(tooLong, 2)), 'malformed');
  assert.equal(read(inRecords(helloMessage(full), 8)), 'malformed');
  assert.equal(read(Buffer.from([22, 3, 1, 0x40, 0x01, 1])), 'malformed', 'a record above 2^14');
  assert.equal(read(Buffer.from([22, 3, 1, 0, 0])), 'malformed', 'an empty record');
});

test('a large hello is read from single bytes', () => {
  const bytes = inRecords(helloMessage({ extensions: [sni('a.test'), extension(21, Buffer.alloc(65_000))] }), 16_000);
  const reader = new HelloReader();
  let result: HelloResult = 'more';
  for (const byte of bytes) result = reader.push(u8(byte));
  assert.equal(typeof result, 'object');
});

test('plain HTTP is told from garbage by a method and a space', () => {
  for (const text of ['GET / HTTP/1.1\r\n', 'OPTIONS * HTTP/1.1', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'BREW /pot'])
    assert.equal(read(Buffer.from(text)), 'plain-http', text);
  for (const text of ['get / HTTP/1.1', ' GET /', 'SSH-2.0-OpenSSH', '\r\n', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ /', 'G\0'])
    assert.equal(read(Buffer.from(text)), 'malformed', text);
  assert.equal(read(...Array.from('POST ', (one) => Buffer.from(one))), 'plain-http');
  assert.equal(read(Buffer.from('POST')), 'more');
  assert.equal(read(), 'more');
  assert.equal(read(Buffer.alloc(0)), 'more');
});

test('what contradicts itself is malformed', () => {
  const message = helloMessage(full);
  const withBody = (change: (body: Buffer) => Buffer): Buffer => {
    const body = change(Buffer.from(message.subarray(4)));
    return inRecords(Buffer.concat([u8(1), u8(0), u16(body.length), body]));
  };
  const cases: Record<string, Buffer> = {
    'another handshake message': Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0]),
    'another record type first': Buffer.from([21, 3, 1, 0, 2, 1, 0]),
    'an SSL 2 hello': Buffer.from([0x80, 0x2e, 1, 3, 1]),
    'another record type in between': Buffer.concat([
      inRecords(message).subarray(0, 5),
      Buffer.alloc(1),
      inRecords(message),
    ]),
    'a record of version 2': Buffer.from([22, 2, 0, 0, 4]),
    'a message of version 2': inRecords(helloMessage({ legacyVersion: 0x0200 })),
    'a byte after the message': inRecords(Buffer.concat([message, u8(0)])),
    'a byte after the extensions': withBody((body) => Buffer.concat([body, u8(0)])),
    'extensions cut short': withBody((body) => body.subarray(0, body.length - 1)),
    'a session id of 33 bytes': inRecords(helloMessage({ sessionId: Buffer.alloc(33) })),
    'no cipher suite': inRecords(helloMessage({ suites: [] })),
    'no compression': inRecords(helloMessage({ compressions: Buffer.alloc(0) })),
    'an empty message': Buffer.from([22, 3, 1, 0, 4, 1, 0, 0, 0]),
    'a name twice': withExtensions(sni('a.test'), sni('b.test')),
    'two names': withExtensions(
      extension(0, vector(2, u8(0), vector(2, Buffer.from('a.test')), u8(0), vector(2, Buffer.from('b.test')))),
    ),
    'an empty name': withExtensions(sni('')),
    'another kind of name': withExtensions(extension(0, vector(2, u8(1), vector(2, Buffer.from('a.test'))))),
    'an empty list of names': withExtensions(extension(0, Buffer.alloc(0))),
    'an empty protocol': withExtensions(alpn('h2', '')),
    'no protocol': withExtensions(alpn()),
    'a protocol beyond its list': withExtensions(extension(16, Buffer.from([0, 3, 9, 104, 50]))),
    'an odd list of versions': withExtensions(extension(43, Buffer.from([3, 3, 4, 3]))),
    'no version': withExtensions(supportedVersions()),
    'no signature algorithm': withExtensions(signatureAlgorithms()),
    'a session before other extensions': withExtensions(preSharedKey(Buffer.alloc(32)), sni('a.test')),
    'an empty session': withExtensions(preSharedKey(Buffer.alloc(0))),
    'a session without binders': withExtensions(extension(41, vector(2, vector(2, Buffer.alloc(32)), Buffer.alloc(4)))),
    'an extension longer than the rest': withExtensions(Buffer.from([0, 0, 0, 9, 1])),
    'half an extension': withExtensions(Buffer.from([0, 0, 0])),
  };
  for (const [what, bytes] of Object.entries(cases)) assert.equal(read(bytes), 'malformed', what);
});

/** Nothing outside the message may matter: the same bytes inside other surroundings read the same. */
function readWithin(bytes: Buffer, around: number): HelloResult {
  const slab = Buffer.alloc(bytes.length + 128, around);
  bytes.copy(slab, 64);
  return read(slab.subarray(64, 64 + bytes.length));
}

test('property: a damaged hello never throws and is never read beyond its bounds', () => {
  const bytes = inRecords(helloMessage(full));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 6 }),
      fc.nat(bytes.length),
      (changes, length) => {
        const damaged = Buffer.from(bytes);
        for (const [at, value] of changes) damaged[at % 320] = value;
        const part = damaged.subarray(0, length);
        assert.deepEqual(readWithin(part, 0), readWithin(part, 0xff));
        assert.deepEqual(readWithin(damaged, 0), readWithin(damaged, 0xff));
      },
    ),
    { numRuns: 5_000 },
  );
});

test('property: random bytes, and random bytes that begin like a hello, never throw', () => {
  const start = fc.constantFrom(
    Buffer.alloc(0),
    Buffer.from([22]),
    Buffer.from([22, 3, 1]),
    Buffer.from([22, 3, 1, 0, 60, 1, 0, 0, 56, 3, 3]),
    inRecords(helloMessage({ extensions: [] })).subarray(0, 50),
  );
  fc.assert(
    fc.property(
      start,
      fc.uint8Array({ maxLength: 300 }),
      fc.array(fc.nat(300), { maxLength: 4 }),
      (head, tail, cuts) => {
        const bytes = Buffer.concat([head, tail]);
        assert.deepEqual(readWithin(bytes, 0), readWithin(bytes, 0xff));
        const whole = read(bytes);
        assert.deepEqual(read(...cut(bytes, cuts)), whole);
      },
    ),
    { numRuns: 5_000 },
  );
});

const isWhole = (bytes: Buffer): boolean => read(bytes) !== 'more';

test('the hello of a Node client', async () => {
  const bytes = await captureFirstBytes(async (port) => {
    const socket = tlsConnect({ port, host: '127.0.0.1', servername: 'node.test', ALPNProtocols: ['h2', 'http/1.1'] });
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('close', resolve));
  }, isWhole);
  const found = hello(bytes);
  assert.equal(found.serverName, 'node.test');
  assert.deepEqual(found.alpn, ['h2', 'http/1.1']);
  assert.deepEqual(found.versions, [0x0304, 0x0303]);
  assert.ok(found.signatureAlgorithms.includes(0x0403));
});

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`the hello of a resumed ${version} session names the key of the ticket that OpenSSL made`, async (t) => {
    const ca = await TestCa.create();
    const { fullchainPem: cert, keyPem: key } = await ca.issue({ dnsNames: ['a.test'] });
    const ticketKeys = Buffer.alloc(48, 0x5a);
    const secureContext = createSecureContext({ cert, key, ticketKeys, maxVersion: version, sessionIdContext: 'test' });
    const hellos: Buffer[] = [];
    const server = createServer((socket) => {
      socket.once('data', (chunk: Buffer) => {
        hellos.push(chunk);
        socket.pause();
        socket.unshift(chunk);
        const secure = new TLSSocket(socket, { isServer: true, secureContext });
        secure.on('error', () => undefined).end('x');
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    let session: Buffer | undefined;
    for (let i = 0; i < 2; i += 1) {
      const socket = tlsConnect({
        port,
        host: '127.0.0.1',
        servername: 'a.test',
        ca: ca.certPem,
        ...(session && { session }),
      });
      socket.on('session', (fresh: Buffer) => (session = fresh));
      await once(socket, 'secureConnect');
      assert.equal(socket.isSessionReused(), i === 1);
      await once(socket.resume(), 'close');
    }
    assert.equal(hello(hellos[0] as Buffer).sessionTicketKeyName, undefined);
    assert.deepEqual(hello(hellos[1] as Buffer).sessionTicketKeyName, ticketKeys.subarray(0, 16));
  });
}

test('the hello of openssl s_client', { skip: await missingTools('openssl') }, async () => {
  const openssl = await findTool('openssl');
  const capture = async (...args: string[]): Promise<ClientHello> =>
    hello(
      await captureFirstBytes(
        async (port) => await openssl.run(['s_client', '-connect', `127.0.0.1:${port}`, ...args]),
        isWhole,
      ),
    );
  const first = await capture('-servername', 'openssl.test', '-alpn', 'h2');
  assert.deepEqual([first.serverName, first.alpn, first.versions[0]], ['openssl.test', ['h2'], 0x0304]);
  const old = await capture('-noservername', '-tls1_2', '-sigalgs', 'RSA+SHA256');
  assert.deepEqual([old.serverName, old.alpn, old.versions], [undefined, [], [0x0303]]);
  assert.deepEqual(old.signatureAlgorithms, [0x0401]);
  assert.equal((await capture('-servername', '127.0.0.1')).serverName, undefined);
});

test('the hello of curl', { skip: await missingTools('curl') }, async () => {
  const curl = await findTool('curl');
  const bytes = await captureFirstBytes(
    async (port) => await curl.run(['-sk', '--resolve', `curl.test:${port}:127.0.0.1`, `https://curl.test:${port}/`]),
    isWhole,
  );
  const found = hello(bytes);
  assert.equal(found.serverName, 'curl.test');
  assert.deepEqual(found.alpn, ['h2', 'http/1.1']);
});

test(
  'the hello of Chromium, with GREASE and a post-quantum key share',
  { skip: await missingTools('chromium') },
  async () => {
    await using browser = await launchBrowser();
    const { page } = await browser.page();
    const bytes = await captureFirstBytes(
      async (port) => await page.goto(`https://chromium.localhost:${port}/`).catch(() => undefined),
      isWhole,
    );
    const found = hello(bytes);
    assert.equal(found.serverName, 'chromium.localhost');
    assert.deepEqual(found.alpn, ['h2', 'http/1.1']);
    assert.ok(found.versions.includes(0x0304));
    assert.ok(bytes.length > 1_000, `${bytes.length} bytes`);
  },
);
