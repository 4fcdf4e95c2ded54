import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { FeedItem } from '../../../src/core/feed.ts';
import { SnapshotBrake } from '../../../src/terminator/intake/snapshot-brake.ts';

const revision = { epoch: 'e', sequence: 1 };

function challenge(token: string): FeedItem {
  return { kind: 'challenge', type: 'http-01', token, identifier: 'a.test', keyAuthorization: token };
}

function certificate(id: string): FeedItem {
  const facts = { names: [], notBefore: 0, notAfter: 0, serial: '', fingerprint256: '' };
  return { kind: 'certificate', certificateId: id, versionId: `${id}#1`, ...facts };
}

test('never (§5.7): nothing is removed when more than half is missing, everything missing otherwise', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(30), { maxLength: 20 }), fc.func(fc.boolean()), (ids, keeps) => {
      const brake = new SnapshotBrake();
      const kept = ids.filter((id) => keeps(id));
      const lost = ids.filter((id) => !keeps(id)).map((id) => `certificate/${id}`);
      for (const id of kept) brake.collect(revision, [certificate(String(id))]);
      const { gone, held } = brake.finish(ids.map((id) => `certificate/${id}`));
      const collapse = lost.length > ids.length / 2;
      assert.deepEqual(held, collapse ? lost : []);
      assert.deepEqual(gone, collapse ? [] : lost);
      assert.deepEqual(brake.confirm(), held);
      assert.deepEqual(brake.confirm(), []);
    }),
  );
});

test('challenges go with the snapshot that lacks them, settings never', () => {
  const brake = new SnapshotBrake();
  brake.collect(revision, [certificate('a')]);
  const known = ['certificate/a', 'challenge/t', 'settings'];
  assert.deepEqual(brake.finish(known), { gone: ['challenge/t'], held: [] });
});

test('parts of a snapshot that was never finished do not count for the next one', () => {
  const brake = new SnapshotBrake();
  brake.collect(revision, [challenge('torn')]);
  brake.collect({ epoch: 'e', sequence: 2 }, [challenge('whole')]);
  assert.deepEqual(brake.finish(['challenge/torn', 'challenge/whole']).gone, ['challenge/torn']);
});
