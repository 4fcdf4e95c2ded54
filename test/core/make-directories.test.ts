import assert from 'node:assert/strict';
import { mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { makeDirectories, makeDirectoriesSync } from '../../src/core/make-directories.ts';
import { tempDir } from '../support/tempdir.ts';

const both = {
  makeDirectories,
  makeDirectoriesSync: async (path: string, mode: number) => makeDirectoriesSync(path, mode),
};

for (const [name, make] of Object.entries(both)) {
  test(`${name} makes what is missing and leaves what is there`, async () => {
    await using dir = await tempDir();
    await mkdir(dir.join('there'), { mode: 0o711 });
    await make(dir.join('there/a/b'), 0o700);
    await make(dir.join('there/a/b'), 0o755);
    const mode = async (path: string) => (await stat(dir.join(path))).mode & 0o777;
    assert.deepEqual([await mode('there'), await mode('there/a'), await mode('there/a/b')], [0o711, 0o700, 0o700]);
  });

  test(`${name} does not mind others making the same directories at the same time`, async () => {
    await using dir = await tempDir();
    await Promise.all(Array.from({ length: 8 }, async () => await make(dir.join('a/b/c'), 0o700)));
    assert.ok((await stat(dir.join('a/b/c'))).isDirectory());
  });

  test(`${name} throws what is in the way`, async () => {
    await using dir = await tempDir();
    await writeFile(dir.join('file'), '');
    await symlink(dir.join('nowhere'), dir.join('link'));
    await assert.rejects(make(dir.join('file'), 0o700), { code: 'EEXIST' });
    await assert.rejects(make(dir.join('file/a/b'), 0o700), { code: /^(?:ENOTDIR|EEXIST)$/ });
    await assert.rejects(make(dir.join('link/a'), 0o700), { code: 'EEXIST' });
  });

  const skip = process.platform !== 'linux' && 'there is no /proc';
  test(`${name} ends where a file system says "no such directory" to every mkdir`, { skip }, async () => {
    await assert.rejects(make('/proc/x/y', 0o700), { code: 'ENOENT' });
  });
}
