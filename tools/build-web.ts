/** Builds the web UI into web/dist where that is missing or older than its sources; `--force` builds it anyway. */
import { existsSync, globSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const built = join(root, 'web', 'dist', 'index.html');
const config = join(root, 'web', 'vite.config.ts');

export async function buildWeb({ force = false } = {}): Promise<void> {
  // The published package brings web/dist and no sources.
  if (!existsSync(config)) return;
  if (!force && !stale()) return;
  const vite = await import('vite').catch(() => undefined);
  if (!vite) {
    console.error('the web UI is not built: that needs the development dependencies (npm ci without --omit=dev)');
    return;
  }
  const startedAt = Date.now();
  process.stderr.write('building the web UI … ');
  await vite.build({ root: join(root, 'web'), configFile: config, logLevel: 'warn' });
  process.stderr.write(`done in ${((Date.now() - startedAt) / 1000).toFixed(1)} s\n`);
}

function stale(): boolean {
  const builtAt = statSync(built, { throwIfNoEntry: false })?.mtimeMs;
  if (builtAt === undefined) return true;
  const sources = globSync(['web/*.{ts,html,json}', 'web/{src,public}/**/*', 'src/api/contract/**/*.ts'], {
    cwd: root,
  });
  return sources.some((file) => statSync(join(root, file)).mtimeMs > builtAt);
}

if (import.meta.main) {
  try {
    await buildWeb({ force: process.argv.includes('--force') });
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
