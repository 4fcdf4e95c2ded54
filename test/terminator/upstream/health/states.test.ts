import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { ActiveHealthState } from '../../../../src/terminator/upstream/health/active.ts';
import { PassiveHealthState } from '../../../../src/terminator/upstream/health/passive.ts';

test('the first check decides at once; later so many in a row', () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { maxLength: 40 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      (results, rise, fall) => {
        const state = new ActiveHealthState();
        let up: boolean | undefined;
        let row = 0;
        for (const well of results) {
          const before = up;
          if (up === undefined) up = well;
          else {
            row = well === up ? 0 : row + 1;
            if (row >= (well ? rise : fall)) {
              up = well;
              row = 0;
            }
          }
          const changed = state.record(well ? undefined : 'bad', rise, fall);
          assert.equal(state.up, up);
          assert.equal(changed, (before ?? true) !== up);
        }
      },
    ),
  );
});

test('an endpoint is out after so many failures in a row, is tried once, and comes back with the first success', () => {
  const state = new PassiveHealthState();
  assert.equal(state.failed(3, false), false);
  state.succeeded();
  assert.deepEqual([state.failed(3, false), state.failed(3, false), state.failed(3, false)], [false, false, true]);
  assert.equal(state.state, 'out');
  const first = state.ejections;
  state.expired(first);
  assert.equal(state.state, 'trial');
  state.began();
  assert.equal(state.state, 'trying');
  assert.equal(state.failed(3, false), true, 'the trial failed: out again, without counting anew');
  state.expired(first);
  assert.equal(state.state, 'out', 'the time of an earlier ejection is no longer its time');
  state.expired(state.ejections);
  state.began();
  state.unresolved();
  assert.equal(state.state, 'trial', 'a trial without a result is made again');
  state.began();
  assert.equal(state.succeeded(), true);
  assert.equal(state.state, 'in');
});

test('the last one is never taken out, and with 0 nobody is', () => {
  const event = fc.constantFrom('failed', 'began', 'succeeded', 'unresolved', 'expired');
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), fc.constantFrom(0, 2), (events, most) => {
      const state = new PassiveHealthState();
      for (const one of events) {
        if (one === 'failed') assert.equal(state.failed(most, most > 0), false);
        else if (one === 'expired') state.expired(state.ejections);
        else state[one]();
        assert.equal(state.state, 'in');
      }
    }),
  );
});
