import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { cacheDir, withCacheLock } from './cache.ts';
import { runProgram } from './process.ts';

const PACKAGE = '@sparticuz/chromium@153.0.0';

/** Chromium out of an npm package, for machines without Debian's: a headless build with the few libraries it needs. */
export async function npmChromium(progress: (line: string) => void): Promise<{ path: string; libraries: string }> {
  const tree = cacheDir('npm', 'chromium-153.0.0');
  const found = { path: join(tree, 'chromium'), libraries: join(tree, 'lib') };
  if (existsSync(found.path)) return found;
  return await withCacheLock(
    'npm-chromium',
    () => progress('waiting for another process that fetches chromium'),
    async () => {
      if (existsSync(found.path)) return found;
      progress(`fetching ${PACKAGE} into ${cacheDir()}`);
      await mkdir(dirname(tree), { recursive: true });
      const work = await mkdtemp(join(dirname(tree), '.work-'));
      try {
        await must('npm', ['pack', '--silent', '--pack-destination', work, PACKAGE], work);
        const archive = (await readdir(work)).find((file) => file.endsWith('.tgz')) ?? '';
        await must('tar', ['-xzf', archive], work);
        await rename(await unpack(join(work, 'package', 'bin')), tree);
      } finally {
        await rm(work, { recursive: true, force: true });
      }
      return found;
    },
  );
}

async function unpack(bin: string): Promise<string> {
  const out = join(bin, 'out');
  await mkdir(out);
  await writeFile(join(out, 'chromium'), brotliDecompressSync(readFileSync(join(bin, 'chromium.br'))));
  await chmod(join(out, 'chromium'), 0o755);
  for (const name of (await readdir(bin)).filter((file) => file.endsWith('.tar.br'))) {
    const tar = join(bin, name.slice(0, -'.br'.length));
    await writeFile(tar, brotliDecompressSync(readFileSync(join(bin, name))));
    await must('tar', ['-xf', tar, '-C', out], bin);
  }
  return out;
}

async function must(command: string, args: string[], cwd: string): Promise<void> {
  const result = await runProgram(command, args, { cwd, timeoutMs: 300_000 });
  if (result.code !== 0) throw new Error(`${command} ${args[0]} failed: ${result.stderr.trim()}`);
}
