import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { CertplaneError } from '../../src/core/errors.ts';
import { createLog, type LogOptions } from '../../src/observe/log.ts';
import { scrubText } from '../../src/core/scrub-text.ts';
import { isSecretName } from '../../src/observe/scrub.ts';

function capture(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const log = createLog({ level: 'debug', destination: { write: (line: string) => lines.push(line) }, ...options });
  const parsed = (): Record<string, unknown>[] => lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { log, lines, parsed };
}

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'pem' });
const sec1 = privateKey.export({ type: 'sec1', format: 'pem' });
const body = pkcs8.split('\n')[1] ?? '';

suite('the log', () => {
  test('writes one JSON line per event with level, time, sentence and bound fields', () => {
    const { log, lines, parsed } = capture();
    log.child({ certificate: 'file/shop' }).child({ step: 'finalize' }).info('A step was taken.', { tookMs: 12 });
    assert.equal(lines.length, 1);
    const [line] = parsed();
    assert.match(String(line?.['time']), /^\d{4}-\d\d-\d\dT/);
    assert.deepEqual(
      { ...line, time: undefined },
      {
        level: 'info',
        time: undefined,
        message: 'A step was taken.',
        certificate: 'file/shop',
        step: 'finalize',
        tookMs: 12,
      },
    );
  });

  test('leaves out what is below its level, and everything when silent', () => {
    const { log, lines } = capture({ level: 'warn' });
    log.info('no');
    log.debug('no');
    log.warn('yes');
    log.error('yes');
    assert.equal(lines.length, 2);
    const silent = capture({ level: 'silent' });
    silent.log.error('no');
    assert.equal(silent.lines.length, 0);
  });

  test('never (§5.9): secret fields are removed at any depth, in children, arrays, maps and errors', () => {
    const { log, lines } = capture();
    const error = new CertplaneError('internal.unexpected', `It broke: ${pkcs8}`, { cause: new Error(sec1) });
    const deep = {
      a: [{ b: { keyPem: pkcs8, apiToken: 'hush', password: 'hush', nested: new Map([['secret', 'hush']]) } }],
    };
    log.child({ token: 'hush', accountKey: 'hush' }).error(`Also here ${pkcs8}`, { error, deep, text: `x${sec1}y` });
    const text = lines.join('');
    assert.ok(!text.includes('hush'));
    assert.ok(!text.includes(body) && !text.includes('PRIVATE KEY'), text);
    assert.match(text, /It broke: /);
  });

  test('never (§5.9): a token or bearer header inside a sentence is removed', () => {
    const token = `cp_0123456789ab_${'A'.repeat(43)}`;
    assert.ok(!scrubText(`GET /x with ${token}`).includes('AAAA'));
    assert.ok(!scrubText('Authorization: Bearer abc.def').includes('abc'));
  });

  test('never (§5.9): no cut of a private key block survives, whatever stands around it', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.integer({ min: 40, max: pkcs8.length }), (before, after, length) => {
        const { log, lines } = capture();
        log.info(`${before}${pkcs8.slice(0, length)}${after}`, { detail: [`${before}${sec1}${after}`] });
        assert.ok(!lines.join('').includes(body.slice(0, 12)));
      }),
      { numRuns: 50 },
    );
  });

  test('names that only talk about a secret stay, names of secrets do not', () => {
    for (const name of [
      'key',
      'keyPem',
      'accountKey',
      'api_token',
      'API-KEY',
      'rootKeyPem',
      'clientSecret',
      'cookie',
      'Authorization',
    ]) {
      assert.ok(isSecretName(name), name);
    }
    for (const name of ['keyAlgorithm', 'tokenId', 'secretName', 'chainPem', 'monkey', 'path', 'tokensLeft']) {
      assert.ok(!isSecretName(name), name);
    }
  });

  test('an error keeps its code, problem document and causes; only a surprise has a stack', () => {
    const { log, parsed } = capture();
    const cause = Object.assign(new Error('connect failed'), { code: 'ECONNREFUSED' });
    const planned = new CertplaneError('issuer.unreachable', 'It is down.', {
      cause,
      retryAt: 5,
      problem: { type: 'urn:x' },
    });
    log.warn('An attempt failed.', { error: planned });
    const error = parsed()[0]?.['error'] as Record<string, unknown>;
    assert.deepEqual(
      [error['code'], error['message'], error['retryAt'], error['problem'], error['stack']],
      ['issuer.unreachable', 'It is down.', 5, { type: 'urn:x' }, undefined],
    );
    assert.equal((error['cause'] as Record<string, unknown>)['code'], 'ECONNREFUSED');
    log.error('A surprise.', { error: new AggregateError([new TypeError('one')], 'many') });
    const surprise = parsed()[1]?.['error'] as Record<string, unknown>;
    assert.match(String(surprise['stack']), /log\.test/);
    assert.equal((surprise['errors'] as Record<string, unknown>[])[0]?.['message'], 'one');
  });

  test('what cannot be logged as it is neither throws nor grows without end', () => {
    const { log, parsed } = capture();
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    const fields = { circle, big: 10n, buffer: Buffer.alloc(9), fn: () => 1, date: new Date(NaN), set: new Set([1]) };
    log.info('Odd.', { ...fields, long: 'x'.repeat(100_000), many: Array.from({ length: 1_000 }, (_, i) => i) });
    const [line] = parsed();
    assert.ok(JSON.stringify(line).length < 12_000);
    assert.deepEqual([line?.['big'], line?.['buffer'], line?.['set']], ['10', '[9 bytes]', [1]]);
    fc.assert(fc.property(fc.dictionary(fc.string(), fc.anything()), (odd) => log.info('Any.', odd)));
  });

  test('fields cannot replace the level, time or sentence of a line', () => {
    const { log, parsed } = capture();
    log.info('True.', { level: 'fatal', message: 'False.', time: 0 });
    const [line] = parsed();
    assert.deepEqual([line?.['level'], line?.['message'], line?.['message_']], ['info', 'True.', 'False.']);
  });

  test('readable lines show time, level, sentence and fields, and control characters draw nothing', () => {
    const { log, lines } = capture({ pretty: true });
    log.info('A step\u001B[2J\nwas taken.', { certificate: 'file/shop', note: 'two words', steps: [1, 2] });
    assert.match(
      lines[0] ?? '',
      /^\d\d:\d\d:\d\d info  A step \[2J was taken\. certificate=file\/shop note="two words" steps=\[1,2\]\n$/,
    );
    const coloured = capture({ pretty: true, colour: true });
    coloured.log.error('Red.');
    assert.ok(coloured.lines[0]?.includes('\u001B[31merror\u001B[0m'));
  });
});
