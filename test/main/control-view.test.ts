import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CertplaneError } from '../../src/core/errors.ts';
import { silentLog } from '../../src/core/ports/log.ts';
import { createControlView, type ControlViewDeps } from '../../src/main/control-view.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryStore } from '../support/memory-store.ts';

const quiet = { onChange: () => ({ [Symbol.dispose]: () => undefined }) };
const signal = new AbortController().signal;

test('a backup that is written is no failure because history cannot be', async () => {
  await using store = new MemoryStore();
  store.append = async () => {
    throw new CertplaneError('store.unavailable', 'The disk that holds the database is full.');
  };
  const written: string[] = [];
  const warned: unknown[] = [];
  using view = createControlView({
    registry: quiet,
    scheduler: quiet,
    terminators: quiet,
    store,
    backup: async (file: string) => void written.push(file),
    clock: new ManualClock(),
    log: { ...silentLog, warn: (_message: string, fields: object) => void warned.push(fields) },
  } as unknown as ControlViewDeps);
  await view.backup('/backups/one', 'cli', signal);
  assert.deepEqual(written, ['/backups/one']);
  assert.equal(warned.length, 1);
});
