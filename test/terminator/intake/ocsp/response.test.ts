import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { requestFor, subjectOf, type Subject } from '../../../../src/terminator/intake/ocsp/certificate-id.ts';
import { judgeResponse, ResponseRefused } from '../../../../src/terminator/intake/ocsp/response.ts';
import { missingTools } from '../../../support/tools.ts';
import { OcspCa, type AnswerOptions } from './ocsp-ca.ts';

const skip = await missingTools('openssl');
const url = 'http://ocsp.test/';
const hourMs = 3_600_000;

async function prepared(
  ca: OcspCa,
): Promise<{ subject: Subject; answer: (options: AnswerOptions) => Promise<Buffer> }> {
  const { chainPem, serial } = await ca.issue('a.test', url);
  const subject = subjectOf(chainPem);
  assert.ok(typeof subject === 'object');
  return { subject, answer: async (options) => await ca.answer(requestFor(subject), serial, options) };
}

function refusal(bytes: Buffer, subject: Subject, now = Date.now()): string {
  try {
    judgeResponse(bytes, subject, now);
    return 'used';
  } catch (error) {
    assert.ok(error instanceof ResponseRefused, String(error));
    return error.message;
  }
}

test('who is asked, and about what, is read from the chain', { skip }, async () => {
  await using ca = await OcspCa.create();
  await using other = await OcspCa.create('Another');
  const { chainPem } = await ca.issue('a.test', url);
  const subject = subjectOf(chainPem);
  assert.ok(typeof subject === 'object');
  assert.equal(subject.url.href, url);
  assert.equal(subjectOf((await ca.issue('a.test')).chainPem), undefined, 'no responder');
  assert.equal(subjectOf((await ca.issue('a.test', 'https://ocsp.test/')).chainPem), undefined, 'not over plain HTTP');
  assert.equal(subjectOf((await ca.issue('a.test', 'http://user:x@ocsp.test/')).chainPem), undefined);
  const [leaf = ''] = chainPem.split(/(?<=-----END CERTIFICATE-----)/);
  assert.equal(subjectOf(leaf), 'no-issuer');
  assert.equal(subjectOf(`${leaf}\n${other.own.certPem}`), 'no-issuer');
});

test(
  '"good" is used, signed by the issuer or by whom it has told to, with EC and with RSA keys',
  { skip },
  async () => {
    const rsa = {
      name: 'RSASSA-PKCS1-v1_5',
      hash: 'SHA-256',
      modulusLength: 2048,
      publicExponent: new Uint8Array([1, 0, 1]),
    };
    for (const algorithm of [undefined, rsa]) {
      await using ca = await OcspCa.create('CA', algorithm);
      const { subject, answer } = await prepared(ca);
      const delegate = await ca.responder();
      const variants: AnswerOptions[] = [
        {},
        { signer: delegate },
        { signer: delegate, args: ['-resp_key_id'] },
        { args: ['-resp_key_id'] },
        { args: ['-rmd', 'sha384'] },
        { args: ['-rmd', 'sha512'] },
      ];
      for (const variant of variants) {
        const bytes = await answer({ status: 'V', ...variant });
        const { thisUpdate, nextUpdate } = judgeResponse(bytes, subject, Date.now());
        assert.equal(nextUpdate - thisUpdate, 24 * hourMs);
        assert.ok(Math.abs(thisUpdate - Date.now()) < 120_000);
      }
    }
  },
);

test(
  'never (§5.1): nothing else is used: revoked, unknown, of another time, or signed by somebody who may not',
  { skip },
  async () => {
    await using ca = await OcspCa.create();
    await using other = await OcspCa.create(); // of the same name
    const { subject, answer } = await prepared(ca);
    assert.match(refusal(await answer({ status: 'R' }), subject), /revoked/);
    assert.match(refusal(await answer({}), subject), /does not know/);
    const good = await answer({ status: 'V' });
    assert.match(refusal(good, subject, Date.now() + 25 * hourMs), /out of date/);
    assert.match(refusal(good, subject, Date.now() - hourMs), /from the future/);
    assert.match(refusal(good, { ...subject, serial: Buffer.from([1]) }), /nothing about this certificate/);
    assert.match(refusal(await answer({ status: 'V', endless: true }), subject), /how long it holds/);
    const past = await ca.responder({ notAfter: new Date(Date.now() - hourMs) });
    assert.match(refusal(await answer({ status: 'V', signer: past }), subject), /not valid now/);
    const purposeless = await ca.responder({ purpose: false });
    assert.match(refusal(await answer({ status: 'V', signer: purposeless }), subject), /may not speak for the issuer/);
    const foreign = await other.responder();
    assert.match(refusal(await answer({ status: 'V', signer: foreign }), subject), /may not speak for the issuer/);
    assert.match(refusal(await answer({ status: 'V', signer: other.own }), subject), /signature is not valid/);
    assert.match(refusal(await answer({ status: 'V', args: ['-rmd', 'sha1'] }), subject), /not supported/);
    const tryLater = Buffer.from('30030a0103', 'hex');
    assert.match(refusal(tryLater, subject), /answered tryLater/);
  },
);

test(
  'never (§5.1): a response that has been changed anywhere says nothing better than before, and nothing crashes',
  { skip },
  async () => {
    await using ca = await OcspCa.create();
    const { subject, answer } = await prepared(ca);
    const revoked = await answer({ status: 'R', signer: await ca.responder() });
    const good = await answer({ status: 'V' });
    const change = fc.record({
      at: fc.nat(),
      by: fc.integer({ min: 1, max: 255 }),
      cut: fc.option(fc.nat(), { freq: 4 }),
    });
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        const bytes = Buffer.from(revoked);
        for (const { at, by } of changes) bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ by;
        const cut = changes[0]?.cut ?? undefined;
        assert.notEqual(refusal(cut === undefined ? bytes : bytes.subarray(0, cut % bytes.length), subject), 'used');
      }),
      { numRuns: 2_000 },
    );
    // Every single byte: what is signed cannot be changed, and what is not does not matter.
    for (let at = 0; at < good.length; at += 1) {
      const bytes = Buffer.from(good);
      bytes[at] = (bytes[at] as number) ^ 0x10;
      if (refusal(bytes, subject) === 'used')
        assert.deepEqual(judgeResponse(bytes, subject, Date.now()), judgeResponse(good, subject, Date.now()));
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) =>
        assert.notEqual(refusal(Buffer.from(bytes), subject), 'used'),
      ),
    );
  },
);
