import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  challengeError,
  concernsNames,
  orderError,
  problemKind,
  readProblem,
  requestError,
} from '../../src/acme/problems.ts';
import { errorCodes } from '../../src/core/errors.ts';

const urn = (kind: string): string => `urn:ietf:params:acme:error:${kind}`;

/** RFC 8555 §6.7, and the types that later documents added. */
const expected = {
  accountDoesNotExist: 'acme.account-rejected',
  alreadyReplaced: 'acme.rejected',
  alreadyRevoked: 'acme.rejected',
  badCSR: 'acme.rejected',
  badNonce: 'acme.server-error',
  badPublicKey: 'acme.account-rejected',
  badRevocationReason: 'acme.rejected',
  badSignatureAlgorithm: 'acme.account-rejected',
  caa: 'acme.challenge-failed',
  compound: 'acme.rejected',
  connection: 'acme.challenge-failed',
  dns: 'acme.challenge-failed',
  externalAccountRequired: 'acme.account-rejected',
  incorrectResponse: 'acme.challenge-failed',
  invalidContact: 'acme.account-rejected',
  malformed: 'acme.rejected',
  orderNotReady: 'acme.rejected',
  rateLimited: 'acme.rate-limited',
  rejectedIdentifier: 'acme.rejected',
  serverInternal: 'acme.server-error',
  tls: 'acme.challenge-failed',
  unauthorized: 'acme.account-rejected',
  unsupportedContact: 'acme.account-rejected',
  unsupportedIdentifier: 'acme.rejected',
  userActionRequired: 'acme.terms-required',
} as const;

test('every problem type of RFC 8555 has its code and a sentence with the words of the CA', () => {
  for (const [kind, code] of Object.entries(expected)) {
    const problem = readProblem({ type: urn(kind), detail: 'because of reasons', status: 400 });
    const error = requestError({ ca: 'The CA at x', status: 400, problem, retryAt: 5 });
    assert.equal(error.code, code, kind);
    assert.ok(error.message.startsWith('The CA at x ') && error.message.endsWith(`${kind}, "because of reasons"`));
    assert.equal(error.retryAt, 5);
    assert.deepEqual(error.problem, problem);
  }
});

const code = (status: number): string => requestError({ ca: 'The CA', status }).code;

test('without a problem document the status decides', () => {
  assert.deepEqual([429, 500, 503, 404, 403].map(code), [
    'acme.rate-limited',
    'acme.server-error',
    'acme.server-error',
    'issuer.response-invalid',
    'issuer.response-invalid',
  ]);
});

test('a type that is named like a property of every object is a type like any other', () => {
  const error = requestError({ ca: 'The CA', status: 400, problem: { type: 'toString' } });
  assert.equal(error.code, 'acme.rejected');
});

test('any JSON is read into bounded, printable lines or nothing, and always makes one error of ours', () => {
  const anything = fc.oneof(
    fc.anything(),
    fc.record(
      {
        type: fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...Object.keys(expected).map(urn))),
        detail: fc.oneof(fc.string({ unit: 'binary', maxLength: 5000 }), fc.anything()),
        subproblems: fc.oneof(fc.anything(), fc.array(fc.anything(), { maxLength: 300 })),
      },
      { requiredKeys: [] },
    ),
  );
  fc.assert(
    fc.property(anything, fc.integer({ min: 400, max: 599 }), (body, status) => {
      const problem = readProblem(body);
      const errors = [requestError({ ca: 'The CA', status, problem }), orderError(['a.example'], problem)];
      for (const error of [...errors, challengeError([{ name: 'a.example', problem }])]) {
        assert.ok(error.code in errorCodes);
        assert.doesNotMatch(error.message, /[\p{Cc}\u2028\u2029]/u);
        assert.ok(error.message.length < 10_000, `${error.message.length}`);
      }
      assert.ok((problem?.detail?.length ?? 0) <= 501 && (problem?.subproblems?.length ?? 0) <= 100);
      assert.equal(typeof problemKind(problem), 'string');
    }),
  );
});

test('many failed names are named up to five, and all of them are in the problem', () => {
  const failures = Array.from({ length: 8 }, (_, i) => ({
    name: `h${i}.example`,
    problem: { type: urn('dns'), detail: 'none' },
  }));
  const error = challengeError(failures);
  assert.match(error.message, /h0\.example \(dns, "none"\), .*h4\.example \(dns, "none"\) and 3 more\./);
  assert.ok(!error.message.includes('h5.example'));
  assert.equal(error.problem?.subproblems?.length, 8);
  assert.equal(error.problem?.type, urn('compound'));
});

const about = (detail: string, ...names: string[]): boolean =>
  concernsNames({ type: urn('rateLimited'), detail }, names);

test('a refusal concerns names when it names one of them or a domain above one', () => {
  assert.ok(about('too many certificates already issued for "example.com"', 'a.b.example.com'));
  assert.ok(about('too many for *.apps.example.com', '*.apps.example.com'));
  assert.ok(!about('too many certificates already issued for "example.org"', 'a.example.com'));
  assert.ok(!about('too many new orders, see https://letsencrypt.org/docs/rate-limits', 'shop.example.com'));
  assert.ok(!about('com is a word', 'example.com'), 'a single label is no domain');
  assert.ok(!concernsNames(undefined, ['example.com']));
});
