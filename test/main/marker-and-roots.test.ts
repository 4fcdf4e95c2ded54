import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import test from 'node:test';
import { hasCode } from '../../src/core/errors.ts';
import type { CaIssuer } from '../../src/issue/ca-issuer.ts';
import { writeMarker } from '../../src/main/applied-marker.ts';
import { writeRoot } from '../../src/main/roots.ts';
import { tempDir } from '../support/tempdir.ts';

test('a marker or a root that cannot be written is a data directory that cannot be used, not a surprise', async () => {
  await using directory = await tempDir();
  const dataDir = directory.join('data');
  await writeFile(dataDir, 'no directory');
  const authority = { name: 'local', rootPem: async () => await Promise.resolve('PEM') } as unknown as CaIssuer;
  const unavailable = (error: Error): boolean =>
    hasCode(error, 'store.unavailable') && error.message.includes(dataDir) && !/unexpected/.test(error.message);
  await assert.rejects(writeMarker(dataDir, { certificates: 1, terminator: true }), unavailable);
  await assert.rejects(writeRoot(dataDir, authority, new AbortController().signal), unavailable);
});
