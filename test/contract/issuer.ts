import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import test, { type TestContext } from 'node:test';
import { readBundle } from '../../src/core/bundle.ts';
import { hasCode } from '../../src/core/errors.ts';
import type { IssuanceRequest, IssuanceState, Issuer } from '../../src/core/ports/issuer.ts';
import { drive, driveUntil, issued, persisted } from '../issue/support/drive.ts';

/** What a contract test needs of one kind of issuer. */
export interface IssuerHarness extends AsyncDisposable {
  /** A new instance on the same store and CA, as after a restart of the process. */
  readonly create: () => Issuer;
  /** A request for names that the issuer can certify; each call another certificate. */
  readonly request: (overrides?: Partial<IssuanceRequest>) => IssuanceRequest;
  /** Waits on the issuer's clock. */
  readonly wait: (until: number) => Promise<void>;
  /** What the harness can see of clean-up: true while an answer to a challenge is in place. */
  readonly presenting?: () => boolean;
}

/** The contract of `Issuer` in core/ports/issuer.ts, for every implementation. `undefined`: the test was skipped. */
export function issuerContract(kind: string, setup: (t: TestContext) => Promise<IssuerHarness | undefined>): void {
  const signal = new AbortController().signal;
  const contract = (name: string, body: (harness: IssuerHarness) => Promise<void>): void => {
    test(`${kind} issuer: ${name}`, async (t) => {
      const harness = await setup(t);
      if (harness === undefined) return;
      await using held = harness;
      await body(held);
    });
  };

  contract('walks every step it lists, each from a state that went through JSON, to a certificate', async (harness) => {
    const issuer = harness.create();
    const request = harness.request();
    const walked: string[] = [];
    const end = await drive(issuer, request, {
      wait: harness.wait,
      before: (state) => void walked.push(state.step),
      after: (state, result) => {
        if (result.kind === 'continue') assert.ok(result.note.endsWith('.'), `the note of ${state.step} is a sentence`);
      },
    });
    const { bundle } = issued(end);
    assert.deepEqual([...new Set(walked)], [...issuer.steps]);
    const facts = readBundle(bundle, request.dnsNames);
    assert.equal(facts.chainComplete, true);
    assert.ok(bundle.chainPem.endsWith('-----END CERTIFICATE-----\n'));
    assert.ok(!bundle.chainPem.includes('END CERTIFICATE----------BEGIN'));
  });

  contract('begins at its first step without any I/O', async (harness) => {
    const issuer = harness.create();
    const state = issuer.begin(harness.request());
    assert.equal(state.step, issuer.steps[0]);
    assert.equal(state.keyPem, undefined);
    assert.deepEqual(persisted(state), state);
  });

  contract('never (§5.4): any process can take the next step from the persisted state', async (harness) => {
    const request = harness.request();
    const end = await drive(harness.create(), request, { wait: harness.wait, issuerNow: () => harness.create() });
    readBundle(issued(end).bundle, request.dnsNames);
  });

  contract('uses the key that was persisted before the certificate was asked for', async (harness) => {
    let persistedKey: string | undefined;
    const end = await drive(harness.create(), harness.request(), {
      wait: harness.wait,
      before: (state) => {
        if (persistedKey !== undefined) assert.equal(state.keyPem, persistedKey, `the key changed at ${state.step}`);
        persistedKey = state.keyPem;
      },
    });
    assert.equal(issued(end).bundle.keyPem, persistedKey);
    assert.equal(createPrivateKey(persistedKey ?? '').asymmetricKeyType, 'ec');
  });

  for (const key of [
    { algorithm: 'ecdsa', size: 384 },
    { algorithm: 'rsa', size: 2048 },
  ] as const) {
    contract(`makes ${key.algorithm} ${key.size} keys`, async (harness) => {
      const end = await drive(harness.create(), harness.request({ key }), { wait: harness.wait });
      const facts = readBundle(issued(end).bundle);
      assert.equal(facts.keyAlgorithm, key.algorithm === 'rsa' ? 'RSA 2048' : 'ECDSA P-384');
    });
  }

  contract('never (§5.9): the key is nowhere but in keyPem', async (harness) => {
    const issuer = harness.create();
    const seen: string[] = [];
    const end = await drive(issuer, harness.request(), {
      wait: harness.wait,
      after: (_state, result) => {
        if (result.kind === 'continue') seen.push(JSON.stringify([result.state.data, result.note]));
      },
    });
    seen.push(JSON.stringify(await issuer.describe(signal)));
    const { keyPem } = issued(end).bundle;
    const body = keyPem.split('\n')[1] as string;
    for (const text of seen) assert.ok(!text.includes('PRIVATE KEY') && !text.includes(body), text.slice(0, 200));
  });

  contract('rejects as aborted at every step, and the state it had is still good', async (harness) => {
    const aborted = AbortSignal.abort(new Error('stop'));
    const issuer = harness.create();
    const request = harness.request();
    const end = await drive(issuer, request, {
      wait: harness.wait,
      before: async (state) => {
        await assert.rejects(issuer.step(request, state, aborted), (error) => hasCode(error, 'process.aborted'));
      },
    });
    readBundle(issued(end).bundle, request.dnsNames);
  });

  contract('can be abandoned at every step, twice, by another process', async (harness) => {
    const { steps } = harness.create();
    for (const step of steps) {
      const request = harness.request();
      const stopAt = (state: IssuanceState): boolean => state.step === step;
      const state = await driveUntil(harness.create(), request, { wait: harness.wait, stopAt });
      assert.ok('step' in state, `no state of ${step}`);
      await harness.create().abandon(request, state, signal);
      await harness.create().abandon(request, state, signal);
      assert.equal(harness.presenting?.() ?? false, false, `something is presented after ${step} was abandoned`);
    }
  });

  contract('abandons a state that nobody can read', async (harness) => {
    const state = { step: 'no such step', data: { order: 5 } };
    await harness.create().abandon(harness.request(), state, signal);
  });

  contract('describes itself by name and kind', async (harness) => {
    const issuer = harness.create();
    const description = await issuer.describe(signal);
    assert.equal(description.name, issuer.name);
    assert.equal(description.problem, undefined);
  });
}
