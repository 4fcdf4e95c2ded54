/** Requests made up by fast-check: what was meant, and the bytes that say so. */
import fc from 'fast-check';

export interface Meant {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  readonly framing: 'none' | 'length' | 'chunked';
  readonly trailers: readonly (readonly [name: string, value: string])[];
  readonly text: string;
}

const tokenCharacters = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const visible = Array.from({ length: 94 }, (_, i) => String.fromCharCode(0x21 + i)).join('');
const special = /^(?:host|content-length|transfer-encoding|connection|upgrade|expect|trailer|proxy-connection)$/i;

const token = fc.string({ unit: fc.constantFrom(...tokenCharacters.split('')), minLength: 1, maxLength: 20 });
const value = fc
  .string({ unit: fc.constantFrom(...visible.split(''), ' ', '\t', '\x80', '\xff'), maxLength: 60 })
  .map((text) => text.replace(/^[ \t]+|[ \t]+$/g, ''));
const fields = fc.array(
  fc.tuple(
    token.filter((name) => !special.test(name)),
    value,
  ),
  { maxLength: 8 },
);
const blank = fc.string({ unit: fc.constantFrom(' ', '\t'), maxLength: 3 });
const method = fc
  .string({ unit: fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZ-_'.split('')), minLength: 1, maxLength: 40 })
  .filter((name) => name !== 'CONNECT' && name !== 'PRI');
const target = fc
  .string({ unit: fc.constantFrom(...visible.replace('#', '').split(''), '\xe9'), maxLength: 40 })
  .map((text) => `/${text}`);
// Bodies that look like requests: whoever counts wrongly takes them for one.
const bodyText = fc.oneof(
  fc.string({ unit: 'binary-ascii', maxLength: 80 }),
  fc.constantFrom(
    'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n',
    '0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n',
    '\r\n',
    '0\r\n\r\n',
  ),
);
const extension = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  fc.constantFrom(';a', ';a=b', ' ;a="b c"', '\t; \ta;b="\xe9;"'),
);

function cut(text: string, at: readonly number[]): string[] {
  const points = [...new Set(at.map((point) => point % (text.length + 1)))].toSorted((a, b) => a - b);
  return [0, ...points].map((from, i) => text.slice(from, points[i] ?? text.length)).filter((piece) => piece !== '');
}

const chunkedBody = (plain: boolean) =>
  fc
    .record({
      body: bodyText,
      at: fc.array(fc.nat(200), { maxLength: 4 }),
      extensions: fc.array(plain ? fc.constantFrom('', ';a', ';a=b') : extension, { minLength: 6, maxLength: 6 }),
      trailers: fields,
      upper: fc.boolean(),
      zeros: fc.nat(3),
    })
    .map(({ body, at, extensions, trailers, upper, zeros }) => {
      const size = (length: number): string => {
        const hex = length.toString(16);
        return '0'.repeat(zeros) + (upper ? hex.toUpperCase() : hex);
      };
      const chunks = cut(body, at).map((piece, i) => `${size(piece.length)}${extensions[i] ?? ''}\r\n${piece}\r\n`);
      const section = trailers.map(([name, text]) => `${name}: ${text}\r\n`).join('');
      return {
        framing: 'chunked' as const,
        body,
        trailers,
        text: `${chunks.join('')}0${extensions[5]}\r\n${section}\r\n`,
      };
    });
const sizedBody = bodyText.map((body) => ({ framing: 'length' as const, body, trailers: [], text: body }));
const noBody = fc.constant({ framing: 'none' as const, body: '', trailers: [], text: '' });

export interface RequestOptions {
  /** Only what every parser takes. */
  plain?: boolean;
}

export function requestArbitrary({ plain = false }: RequestOptions = {}): fc.Arbitrary<Meant> {
  return fc
    .record({
      method: plain ? fc.constantFrom('GET', 'POST', 'PUT', 'OPTIONS') : method,
      target: plain ? fc.constantFrom('/', '/a/b?c=d', '/%0d%0a') : target,
      host: fc.constantFrom('a.test', 'B.test:8080', '127.0.0.1', '[::1]:80'),
      before: fields,
      after: fields,
      blanks: fc.array(plain ? fc.constantFrom('', ' ') : blank, { minLength: 2, maxLength: 2 }),
      body: fc.oneof(noBody, sizedBody, chunkedBody(plain)),
    })
    .map(({ method, target, host, before, after, blanks, body }) => {
      const framing: [string, string][] =
        body.framing === 'none'
          ? []
          : [
              body.framing === 'length'
                ? ['Content-Length', String(body.body.length)]
                : ['transfer-encoding', 'chunked'],
            ];
      const headers: (readonly [string, string])[] = [...before, ['Host', host], ...framing, ...after];
      const lines = headers.map(([name, text]) => {
        const [before, after] = special.test(name) ? ['  ', ' '] : (blanks as [string, string]);
        return `${name}:${before}${text}${after}\r\n`;
      });
      const text = `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n${body.text}`;
      const framed = body.framing === 'length' && body.body === '' ? 'none' : body.framing;
      const { body: meant, trailers } = body;
      return { method, target, host, headers, body: meant, framing: framed, trailers, text };
    });
}

/** Pieces of a text, none of them empty. */
export function pieces(text: string, at: readonly number[]): string[] {
  return cut(text, at);
}
