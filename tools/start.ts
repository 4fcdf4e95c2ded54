/** `npm start`: the quickstart, in this one process, so that Ctrl-C and SIGTERM reach the program itself. */
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';
import { buildWeb } from './build-web.ts';

const root = join(import.meta.dirname, '..');
const quickstart = relative(process.cwd(), join(root, 'deploy', 'examples', 'quickstart.yaml'));

if (!existsSync(join(root, 'web', 'dist', 'index.html'))) await buildWeb();
const bin = join(root, 'src', 'bin.ts');
process.argv.splice(1, process.argv.length, bin, 'run', '--config', quickstart, ...process.argv.slice(2));
await import('../src/bin.ts');
