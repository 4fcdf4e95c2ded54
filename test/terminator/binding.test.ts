import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import test from 'node:test';
import { silentLog } from '../../src/core/ports/log.ts';
import { systemClock } from '../../src/core/system-clock.ts';
import { createFilesSource } from '../../src/terminator/source/files-source.ts';
import { tempDir } from '../support/tempdir.ts';
import { until } from '../support/until.ts';
import { respondRoute, startTerminator } from './support/harness.ts';

test("a host that is bound to a file's certificate shows that one, although one of our own carries the name", async () => {
  await using directory = await tempDir();
  await using terminator = await startTerminator({
    routes: [respondRoute('bound.test', 'yes'), respondRoute('free.test', 'yes')],
    settings: {
      hosts: [{ names: ['bound.test'], certificateId: 'seen/files/shop.pem' }],
      sources: [{ kind: 'files', directory: directory.path }],
    },
    sources: () => createFilesSource({ directory: directory.path, clock: systemClock, log: silentLog }),
  });
  const names = { dnsNames: ['bound.test', 'free.test'] };
  const put = async (): Promise<string> => {
    const { chainPem, keyPem, serial } = await terminator.issue(names);
    await writeFile(directory.join('.new'), chainPem + keyPem);
    await rename(directory.join('.new'), directory.join('shop.pem'));
    return serial;
  };
  const own = await terminator.serve('file/own', 1, names);
  await assert.rejects(terminator.serial('bound.test'), /unrecognized name/i);
  const first = await put();
  const shows = async (serial: string): Promise<boolean> =>
    (await terminator.serial('bound.test').catch(() => undefined)) === serial;
  await until(async () => await shows(first), { what: 'the certificate of the file' });
  assert.equal(await terminator.serial('free.test'), own.serial);
  const second = await put();
  await until(async () => await shows(second), { what: 'its next version' });
});
