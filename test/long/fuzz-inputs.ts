/** Inputs for the fuzz tests: all of them follow from one printed seed. */

/** mulberry32: small, fast, and the same everywhere. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to and without `below`. */
  number(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below);
  }

  one<T>(list: readonly T[]): T {
    return list[this.number(list.length)] as T;
  }

  chance(percent: number): boolean {
    return this.number(100) < percent;
  }

  bytes(most: number): Buffer {
    return Buffer.from(Array.from({ length: this.number(most + 1) }, () => this.number(256)));
  }
}

/** A few changes of the kind that break parsers: flips, cuts, copies of itself, foreign bytes, extreme lengths. */
export function mutated(dice: Dice, original: Buffer): Buffer {
  let bytes = Buffer.from(original);
  for (let left = dice.number(5); left >= 0; left -= 1) {
    const at = dice.number(bytes.length + 1);
    const until = Math.min(bytes.length, at + dice.number(32));
    const [head, middle, tail] = [bytes.subarray(0, at), bytes.subarray(at, until), bytes.subarray(until)];
    switch (dice.number(7)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << dice.number(8));
        break;
      case 1:
        bytes = Buffer.concat([head, dice.bytes(16), middle, tail]);
        break;
      case 2:
        bytes = Buffer.concat([head, tail]);
        break;
      case 3:
        bytes = Buffer.concat([head, middle, middle, middle, tail]);
        break;
      case 4:
        if (at < bytes.length) bytes[at] = dice.one([0, 0x7f, 0x80, 0xff, 0x0a, 0x0d, 0x20]);
        break;
      case 5:
        if (dice.chance(30)) bytes = Buffer.from(head);
        break;
      default:
        bytes = Buffer.concat([head, Buffer.alloc(dice.one([1, 255, 20_000]), dice.number(256)), tail]);
    }
  }
  return bytes;
}

/** Pieces that are sent one by one. */
export function pieces(dice: Dice, bytes: Buffer): Buffer[] {
  const cuts = Array.from({ length: dice.number(5) }, () => dice.number(bytes.length + 1)).toSorted((a, b) => a - b);
  return [...cuts, bytes.length].map((end, i) => bytes.subarray(cuts[i - 1] ?? 0, end));
}

const host = 'Host: one.test\r\n';
const heads = [
  `GET / HTTP/1.1\r\n${host}\r\n`,
  `POST /a HTTP/1.1\r\n${host}Content-Length: 5\r\n\r\nhello`,
  `POST /b HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  `POST /c HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5;ext=1\r\nhello\r\n0\r\nX-T: 1\r\n\r\n`,
  `POST /d HTTP/1.1\r\n${host}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  `POST /e HTTP/1.1\r\n${host}Content-Length: 3\r\nContent-Length: 5\r\n\r\nhello`,
  `POST /f HTTP/1.1\r\n${host}Content-Length: -1\r\n\r\n`,
  `POST /g HTTP/1.1\r\n${host}Content-Length: 99999999999999999999\r\n\r\nx`,
  `POST /h HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nhello`,
  `POST /i HTTP/1.1\r\n${host}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
  `POST /j HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello`,
  `GET http://one.test/k HTTP/1.1\r\n${host}\r\n`,
  `GET //evil.test/%00%0d%0a HTTP/1.1\r\n${host}\r\n`,
  `GET /l HTTP/1.1\r\n${host}X: a\r\n folded\r\n\r\n`,
  `GET /m HTTP/1.1\n${host}\n\n`,
  `GET /n HTTP/1.0\r\n\r\n`,
  `CONNECT one.test:443 HTTP/1.1\r\n${host}\r\n`,
  `TRACE / HTTP/1.1\r\n${host}\r\n`,
  `OPTIONS * HTTP/1.1\r\n${host}\r\n`,
  `GET /o HTTP/1.1\r\n${host}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
  `GET /p HTTP/1.1\r\n${host}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n`,
  `GET /q HTTP/1.1\r\n${host}${'X-Many: 1\r\n'.repeat(3000)}\r\n`,
  `GET /r HTTP/1.1\r\n${host}Cookie: ${'c'.repeat(40_000)}\r\n\r\n`,
  `GET /${'s'.repeat(40_000)} HTTP/1.1\r\n${host}\r\n`,
  `GET /.well-known/acme-challenge/${'t'.repeat(200)} HTTP/1.1\r\n${host}\r\n`,
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
];

/** One request or several in a row, some of them as they should be. */
export function httpRequest(dice: Dice): Buffer {
  const text = Array.from({ length: 1 + dice.number(3) }, () => dice.one(heads)).join('');
  const bytes = Buffer.from(text, 'latin1');
  return dice.chance(25) ? bytes : mutated(dice, bytes);
}

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** HPACK (RFC 7541): GET, https, /, and ":authority: one.test" as a literal. */
const requestBlock = Buffer.concat([Buffer.from([0x82, 0x87, 0x84, 0x41, 8]), Buffer.from('one.test')]);
const postBlock = Buffer.concat([Buffer.from([0x83, 0x87, 0x84, 0x41, 8]), Buffer.from('one.test')]);
/** ":protocol: websocket" behind CONNECT. */
const connectBlock = Buffer.concat([
  Buffer.from([0x02, 7]),
  Buffer.from('CONNECT'),
  Buffer.from([0x00, 9]),
  Buffer.from(':protocol'),
  Buffer.from([9]),
  Buffer.from('websocket'),
  requestBlock.subarray(1),
]);
/** ":status: 200", alone and with a length; what is no status; pseudo-headers of a request. */
const answerBlocks: readonly Buffer[] = [
  Buffer.from([0x88]),
  Buffer.concat([Buffer.from([0x88, 0x0f, 0x0d, 1]), Buffer.from('5')]),
  Buffer.concat([Buffer.from([0x08, 3]), Buffer.from('100')]),
  Buffer.concat([Buffer.from([0x08, 3]), Buffer.from('abc')]),
  Buffer.concat([Buffer.from([0x88, 0x00, 10]), Buffer.from('Connection'), Buffer.from([5]), Buffer.from('close')]),
  Buffer.from([0x82, 0x84]),
];
const hugeFields: readonly Buffer[] = [
  Buffer.from([0x3f, 0xff, 0xff, 0xff, 0xff, 0x0f]),
  Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
  Buffer.from([0x40, 0x7f, 0xff, 0xff, 0xff, 0x07]),
  Buffer.from([0x40, 0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]),
  Buffer.concat([Buffer.from([0x40, 1, 0x78, 0x7f, 0x81, 0x1f]), Buffer.alloc(4_000, 0x61)]),
  Buffer.concat(Array.from({ length: 500 }, () => Buffer.from([0xbe]))),
  Buffer.concat([Buffer.from([0x40, 1, 0x78, 0xff, 0x81, 0x03]), Buffer.alloc(512, 0xff)]),
];
const [DATA, HEADERS, PRIORITY, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION] = [0, 1, 2, 3, 4, 6, 7, 8, 9];

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream >>> 0, 5);
  return Buffer.concat([head, payload]);
}

function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

function smallFrames(stream: number): readonly Buffer[] {
  return [
    frame(PING, 0, 0, Buffer.alloc(8)),
    frame(SETTINGS, 0, 0, Buffer.alloc(0)),
    frame(DATA, 0, stream, Buffer.alloc(0)),
    frame(WINDOW, 0, 0, number32(1)),
    frame(CONTINUATION, 0, stream, Buffer.alloc(0)),
    frame(PRIORITY, 0, stream, Buffer.alloc(5)),
  ];
}

/** A connection's worth of HTTP/2 (RFC 9113): preface, SETTINGS, then frames in and out of order. */
export function http2Frames(dice: Dice): Buffer {
  const out = [dice.chance(95) ? preface : mutated(dice, preface), frame(SETTINGS, 0, 0, settings(dice))];
  let stream = 1;
  for (let left = dice.number(25); left >= 0; left -= 1) {
    const next = oddFrames(dice, stream);
    stream += dice.one([0, 2, 2, 2, 1]);
    out.push(dice.chance(20) ? mutated(dice, next) : next);
  }
  return Buffer.concat(out);
}

/** What a backend could send: its SETTINGS at first, then an answer among frames in and out of order. */
export function http2Answer(dice: Dice, first: boolean): Buffer {
  const stream = dice.one([1, 1, 1, 3, 5, 7, 2]);
  const head = frame(HEADERS, dice.one([0x4, 0x4, 0x5, 0x0]), stream, dice.one(answerBlocks));
  const out = [first && dice.chance(95) ? frame(SETTINGS, 0, 0, settings(dice)) : Buffer.alloc(0), head];
  for (let left = dice.number(6); left >= 0; left -= 1) out.push(oddFrames(dice, stream));
  out.push(frame(DATA, 1, stream, Buffer.from('hello')));
  const bytes = Buffer.concat(out);
  return dice.chance(50) ? bytes : mutated(dice, bytes);
}

function settings(dice: Dice): Buffer {
  const pairs = Array.from({ length: dice.number(4) }, () => {
    const pair = Buffer.alloc(6);
    pair.writeUInt16BE(dice.number(10), 0);
    pair.writeUInt32BE(dice.one([0, 1, 100, 16_384, 65_535, 0x7fffffff, 0xffffffff]), 2);
    return pair;
  });
  return dice.chance(70) ? Buffer.alloc(0) : Buffer.concat(pairs);
}

function oddFrames(dice: Dice, stream: number): Buffer {
  const some = dice.one([0, 1, stream, stream, stream + 1, 0x7fffffff]);
  switch (dice.number(18)) {
    case 0:
      return frame(HEADERS, 0x5, stream, requestBlock);
    case 1:
      return frame(HEADERS, 0x5, stream, mutated(dice, requestBlock));
    case 2: // a request with a body that has no end
      return Buffer.concat([frame(HEADERS, 0x4, stream, postBlock), frame(DATA, 0, stream, dice.bytes(200))]);
    case 3: // opened and reset at once, many times
      return Buffer.concat(
        Array.from({ length: 1 + dice.number(40) }, (_, i) => [
          frame(HEADERS, 0x5, stream + 2 * i, requestBlock),
          frame(RST, 0, stream + 2 * i, number32(8)),
        ]).flat(),
      );
    case 4: // a head without an end
      return Buffer.concat([
        frame(HEADERS, 0, stream, requestBlock),
        ...Array.from({ length: dice.number(60) }, () => frame(CONTINUATION, 0, stream, dice.bytes(60))),
      ]);
    case 5:
      return frame(CONTINUATION, 0x4, some, requestBlock);
    case 6:
      return frame(WINDOW, 0, some, number32(dice.one([0, 1, 0x7fffffff, 0xffffffff])));
    case 7:
      return frame(SETTINGS, dice.number(2), dice.one([0, 0, 1]), settings(dice));
    case 8:
      return frame(PING, dice.number(2), dice.one([0, 0, 1]), Buffer.alloc(dice.one([8, 8, 7, 9])));
    case 9:
      return frame(GOAWAY, 0, 0, Buffer.concat([number32(stream), number32(dice.number(20)), dice.bytes(40)]));
    case 10:
      return frame(PRIORITY, 0, some, Buffer.concat([number32(some), dice.bytes(2)]));
    case 11:
      return frame(DATA, dice.one([0, 1, 8, 9]), some, dice.bytes(300));
    case 12: // sizes, indexes and strings of HPACK that are far too large
      return frame(HEADERS, 0x5, stream, Buffer.concat([dice.one(hugeFields), requestBlock]));
    case 13: // many small frames that each want an answer, or none
      return Buffer.concat(Array.from({ length: 50 + dice.number(300) }, () => dice.one(smallFrames(stream))));
    case 14: // a WebSocket (RFC 8441), and bytes in it
      return Buffer.concat([
        frame(HEADERS, 0x4, stream, connectBlock),
        frame(DATA, dice.number(2), stream, dice.bytes(200)),
      ]);
    case 15: // trailers, sent where they may stand and where not
      return Buffer.concat([
        frame(HEADERS, 0x4, stream, postBlock),
        frame(DATA, 0, stream, dice.bytes(20)),
        frame(HEADERS, dice.one([0x4, 0x5]), stream, dice.one([Buffer.from([0x40, 1, 0x78, 1, 0x31]), requestBlock])),
      ]);
    case 16: // more than any window
      return Buffer.concat([
        frame(HEADERS, 0x4, stream, postBlock),
        ...Array.from({ length: dice.number(90) }, () => frame(DATA, 0, stream, Buffer.alloc(16_384))),
      ]);
    default:
      return frame(dice.number(256), dice.number(256), some, dice.bytes(100));
  }
}

/** JSON that is odd rather than broken, and some that is broken. */
export function jsonText(dice: Dice): string {
  if (dice.chance(10)) return '['.repeat(20_000);
  const text = JSON.stringify(jsonValue(dice, 4)) ?? 'null';
  return dice.chance(30) ? mutated(dice, Buffer.from(text)).toString('latin1') : text;
}

const names = [
  'id',
  'terminator',
  'revision',
  'applied',
  'refused',
  'items',
  'name',
  'role',
  '__proto__',
  'constructor',
];
function jsonValue(dice: Dice, depth: number): unknown {
  switch (dice.number(depth > 0 ? 8 : 6)) {
    case 0:
      return dice.one([0, -1, 1e308, 2 ** 53, 0.1]);
    case 1:
      return dice.one([null, true, false]);
    case 2:
      return dice.one(['', 'fuzz', '1.1', 'file/one', '../../etc/passwd', '\ud800', '\0', 'x'.repeat(5000)]);
    case 3:
      return dice.bytes(30).toString('latin1');
    case 4:
      return [];
    case 5:
      return {};
    case 6:
      return Array.from({ length: dice.number(6) }, () => jsonValue(dice, depth - 1));
    default:
      return Object.fromEntries(
        Array.from({ length: dice.number(6) }, () => [dice.one(names), jsonValue(dice, depth - 1)] as const),
      );
  }
}

const yamlTokens = [
  '&a ', '*a', '<<: *a', '!!binary ', '!!js/function ', '? ', '- - - ', '{{', ']]', '|', '>-', '\t', '---\n', '%YAML 9.9\n',
  '\u0000', '\u2028', '\ufeff', '"', "'", '${HOME}', '1e999', '.inf', '0o7', '~', '*.one.test', '::', '999d', '-1s', 'null',
]; // prettier-ignore

/** A configuration with lines and characters out of place. */
export function yamlText(dice: Dice, original: string): Buffer {
  const lines = original.split('\n');
  for (let left = dice.number(6); left >= 0; left -= 1) {
    const at = dice.number(lines.length);
    const line = lines[at] ?? '';
    const column = dice.number(line.length + 1);
    switch (dice.number(6)) {
      case 0:
        lines.splice(at, 1);
        break;
      case 1:
        lines.splice(at, 0, ...lines.slice(dice.number(lines.length)).slice(0, 4));
        break;
      case 2:
        lines[at] = ' '.repeat(dice.number(6)) + line.trimStart();
        break;
      case 3:
        lines[at] = line.slice(0, column) + dice.one(yamlTokens) + line.slice(column);
        break;
      case 4:
        lines[at] = line.replace(/[^:]*$/, ` ${JSON.stringify(jsonValue(dice, 2))}`);
        break;
      default:
        lines[at] = line.slice(0, column);
    }
  }
  const bytes = Buffer.from(lines.join('\n'));
  return dice.chance(20) ? mutated(dice, bytes) : bytes;
}
