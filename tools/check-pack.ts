/** Fails when the package that would be published lacks what it needs or carries what it must not. Run after `build`. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface PackReport {
  filename: string;
  size: number;
  files: { path: string }[];
}

const REQUIRED = [
  'package.json',
  'LICENSE',
  'README.md',
  'CHANGELOG.md',
  'dist/bin.js',
  'dist/terminator/worker.js',
  'web/dist/index.html',
  'deploy/examples/quickstart.yaml',
  'docs/configuration.md',
];
const FORBIDDEN = [
  /^test\//,
  /^tools\//,
  /^src\//,
  /^web\/(?!dist\/)/,
  /(^|\/)data\//,
  /\.pem$/,
  /\.key$/,
  /(^|\/)\.env/,
  /\.test\.[jt]s$/,
  /\.sqlite/,
];

const root = join(import.meta.dirname, '..');
// --ignore-scripts: the build has just run, and its output would mix with the JSON.
const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
  cwd: root,
  encoding: 'utf8',
});
const [report] = JSON.parse(output) as [PackReport];
const paths = report.files.map((file) => file.path);
const problems = [
  ...REQUIRED.filter((path) => !paths.includes(path)).map((path) => `missing: ${path}`),
  ...paths
    .filter((path) => FORBIDDEN.some((pattern) => pattern.test(path)))
    .map((path) => `must not be in it: ${path}`),
];
if (paths.includes('dist/bin.js') && !readFileSync(join(root, 'dist', 'bin.js'), 'utf8').startsWith('#!')) {
  problems.push('dist/bin.js does not start with #!');
}
console.log(`${report.filename}: ${paths.length} files, ${Math.round(report.size / 1024)} kB`);
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
