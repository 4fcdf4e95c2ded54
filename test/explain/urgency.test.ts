import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { deliveryStates, managedStates, phases } from '../../src/api/contract/certificates.ts';
import { assess, urgencyRank } from '../../src/explain/urgency.ts';
import { viewOf, type ViewOptions } from '../support/scripted-view.ts';

const now = Date.parse('2026-01-01T00:00:00Z');
const day = 86_400_000;
const minute = 60_000;

/** 90 days, renewed at day 60. */
function at(days: number, options: ViewOptions = {}): [string, string] {
  const { urgency, code } = assess(viewOf('file/shop', now, options), now + days * day);
  return [urgency, code];
}

const served = (notAfter: number) => ({
  servedBy: [
    {
      certificateId: 'file/shop',
      versionId: 'file/shop#1',
      names: [],
      serial: '1',
      fingerprint256: 'a',
      source: 'feed',
      since: now,
      terminatorId: 't',
      connected: true,
      notAfter,
    },
  ],
});

suite('urgency', () => {
  test('a certificate on its way to its renewal needs nobody', () => {
    assert.deepEqual(at(0), ['none', 'as-planned']);
    assert.deepEqual(at(59), ['none', 'as-planned']);
    assert.deepEqual(at(61, { status: { phase: 'renewing' } }), ['none', 'as-planned']);
  });

  test('overdue is measured by what was left at the renewal, not in days', () => {
    assert.deepEqual(at(60 + 7), ['none', 'as-planned']);
    assert.deepEqual(at(60 + 7.5), ['attention', 'overdue']);
    assert.deepEqual(at(60 + 15), ['critical', 'overdue-half']);
    const short = { current: { notAfter: now + 15 * minute }, renewAt: now + 7.5 * minute };
    assert.deepEqual(at((7.5 * minute) / day, short), ['none', 'as-planned']);
    assert.deepEqual(at((9.4 * minute) / day, short), ['attention', 'overdue']);
    assert.deepEqual(at((11.3 * minute) / day, short), ['critical', 'overdue-half']);
  });

  test('failing wants attention, and is critical with little life left or without any certificate after three tries', () => {
    const failing = { status: { phase: 'failing' as const } };
    assert.deepEqual(at(60, failing), ['attention', 'failing']);
    assert.deepEqual(at(75, failing), ['critical', 'failing-little-left']);
    assert.deepEqual(at(0, { ...failing, current: null, record: { failures: 1 } }), ['attention', 'failing']);
    assert.deepEqual(at(0, { ...failing, current: null, record: { failures: 3 } }), ['critical', 'never-issued']);
  });

  test('a good certificate that is held up by an error wants attention before it is overdue', () => {
    const phaseReason = { code: 'store.unavailable', message: 'Reading or writing the database failed.' };
    assert.deepEqual(at(60, { status: { phase: 'ready', phaseReason } }), ['attention', 'held-up']);
    assert.deepEqual(at(60, { status: { phase: 'ready', managed: 'removed', phaseReason } }), ['none', 'not-managed']);
  });

  test('expired is critical, but for one that is neither wanted nor served', () => {
    assert.deepEqual(at(90), ['critical', 'expired']);
    assert.deepEqual(at(0, { status: { phase: 'expired' }, current: null }), ['critical', 'expired']);
    const removed = { status: { managed: 'removed' as const } };
    assert.deepEqual(at(90, removed), ['none', 'expired-unused']);
    assert.deepEqual(at(90, { ...removed, ...served(now + 90 * day) }), ['critical', 'expired']);
  });

  test('a failed delivery is critical; lag is forgiven for ten minutes or a tenth of the lifetime', () => {
    assert.deepEqual(at(0, { status: { delivery: 'failed' } }), ['critical', 'delivery-failed']);
    const lagging = { status: { delivery: 'lagging' as const } };
    assert.deepEqual(at((9 * minute) / day, lagging), ['none', 'as-planned']);
    assert.deepEqual(at((11 * minute) / day, lagging), ['attention', 'lagging']);
    const short = { ...lagging, current: { notAfter: now + 15 * minute }, renewAt: now + 7 * minute };
    assert.deepEqual(at(minute / day, short), ['none', 'as-planned']);
    assert.deepEqual(at((2 * minute) / day, short), ['attention', 'lagging']);
  });

  test('what nobody renews and somebody is still shown wants attention before it ends', () => {
    const removed = { status: { managed: 'removed' as const }, renewAt: undefined };
    assert.deepEqual(at(10, { ...removed, ...served(now + 90 * day) }), ['none', 'not-managed']);
    assert.deepEqual(at(80, { ...removed, ...served(now + 90 * day) }), ['attention', 'unrenewed-ending']);
    assert.deepEqual(at(80, removed), ['none', 'not-managed']);
  });

  test('never (§5.12): every state has a sentence, and time alone never makes it less urgent', () => {
    const anyView = fc.record({
      phase: fc.constantFrom(...phases),
      delivery: fc.constantFrom(...deliveryStates),
      managed: fc.constantFrom(...managedStates),
      issued: fc.boolean(),
      served: fc.boolean(),
      failures: fc.integer({ min: 0, max: 5 }),
      lifetime: fc.integer({ min: 60_000, max: 400 * day }),
    });
    fc.assert(
      fc.property(anyView, fc.array(fc.double({ min: 0, max: 2, noNaN: true }), { minLength: 2 }), (spec, shares) => {
        const end = now + spec.lifetime;
        const view = viewOf('file/x', now, {
          status: { phase: spec.phase, delivery: spec.delivery, managed: spec.managed },
          current: spec.issued ? { notAfter: end } : null,
          renewAt: spec.issued ? now + spec.lifetime * 0.6 : undefined,
          record: { failures: spec.failures },
          ...(spec.served ? served(end) : {}),
        });
        let before = 2;
        for (const share of shares.toSorted((a, b) => a - b)) {
          const { urgency, sentence } = assess(view, Math.round(now + share * spec.lifetime));
          assert.match(sentence, /^[A-Z].*\.$/s);
          const wanted = spec.managed === 'managed' || spec.served;
          if (wanted) assert.ok(urgencyRank(urgency) <= before, `${urgency} at ${share}`);
          before = urgencyRank(urgency);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('the sentence says since when, until when and why', () => {
    const view = viewOf('file/shop', now, {
      next: { action: 'retry', reason: { code: 'acme.rate-limited', message: 'The CA limits the rate.' } },
    });
    assert.equal(
      assess(view, now + 76 * day).sentence,
      'Its renewal is overdue since 2026-03-02 00:00:00 UTC: The CA limits the rate. The certificate in use ends at 2026-04-01 00:00:00 UTC.',
    );
  });
});
