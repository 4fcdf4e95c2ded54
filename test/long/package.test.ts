/** A clean copy of the repository, and the published package in an empty folder: each installed and run by npm. */
import assert from 'node:assert/strict';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { repository } from '../support/certplane.ts';
import { fetchOnce } from '../support/http.ts';
import { installedNode, npm, plainEnvironment, spawnNpm } from '../support/npm.ts';
import { groupProcesses } from '../support/process-tree.ts';
import { runProgram, spawnProcess, type RunningProcess } from '../support/process.ts';
import { bannerOf, paste, quickstart, quickstartFile, type QuickstartPorts } from '../support/quickstart.ts';
import { tempDir, type TempDir } from '../support/tempdir.ts';
import { missingTools } from '../support/tools.ts';

const skip = await missingTools('curl');
const old = await installedNode();

/** What a clone would hold, with what is not committed yet. */
async function copyRepository(target: string): Promise<void> {
  const listing = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate'];
  const { code, stdout, stderr } = await runProgram('git', listing, { cwd: repository });
  assert.equal(code, 0, stderr);
  for (const file of stdout.split('\0')) {
    const source = join(repository, file);
    if (file === '' || !existsSync(source)) continue; // deleted and not committed yet
    await mkdir(dirname(join(target, file)), { recursive: true });
    await cp(source, join(target, file), { verbatimSymlinks: true });
  }
}

async function serves(running: RunningProcess, cwd: string, ports: QuickstartPorts): Promise<void> {
  const banner = await bannerOf(running);
  const proof = await paste(banner.proof, cwd);
  assert.equal(proof.stdout, 'hello over TLS\n', `${banner.proof}\n${proof.stderr}`);
  const page = await fetchOnce(`http://127.0.0.1:${ports.admin}/`);
  assert.equal(page.status, 200);
  assert.match(page.body, /<script[^>]+type="module"/, 'the web UI is there');
}

async function stops(running: RunningProcess, signal: NodeJS.Signals, to: number): Promise<void> {
  process.kill(to, signal);
  assert.deepEqual(await running.exited, { code: 0, signal: null }, running.output);
  assert.deepEqual(groupProcesses(running.pid), []);
}

suite('from a clean copy to the published package', { skip }, () => {
  let place: TempDir;
  let copy: string;
  let ports: QuickstartPorts;

  before(async () => {
    place = await tempDir('certplane-');
    copy = place.join('copy');
    await copyRepository(copy);
    const free = await quickstart({ root: copy, dataDir: '../../data' });
    ports = free.ports;
    await writeFile(join(copy, quickstartFile), free.yaml);
    await npm(['ci', '--ignore-scripts', '--prefer-offline'], { cwd: copy });
  });
  after(async () => await place[Symbol.asyncDispose]());

  test('after npm ci --ignore-scripts npm start builds the web UI once and runs the quickstart', async () => {
    assert.ok(!existsSync(join(copy, 'web', 'dist')), 'nothing is built before');
    await using first = spawnNpm(['start'], copy);
    await serves(first, copy, ports);
    assert.deepEqual(first.lines.filter((line) => line.includes('web UI')).length, 1);
    assert.match(first.output, /^building the web UI … done in [\d.]+ s$/m);
    await stops(first, 'SIGINT', -first.pid); // a terminal sends Ctrl-C to the whole group

    await using second = spawnNpm(['start'], copy);
    await serves(second, copy, ports);
    assert.doesNotMatch(second.output, /web UI/);
    const asked = await npm(['exec', '--no', '--', 'certplane', 'list', '--config', quickstartFile], { cwd: copy });
    assert.match(asked.stdout, /^file\/hello +ready /m, 'the command line of the checkout, on its own Node.js');
    await stops(second, 'SIGTERM', second.pid);
  });

  test('the published package carries what it needs and nothing else', async () => {
    await cp(join(repository, quickstartFile), join(copy, quickstartFile));
    await npm(['pack', '--pack-destination', place.path], { cwd: copy });
    const checked = await runProgram(process.execPath, [join('tools', 'check-pack.ts')], {
      cwd: copy,
      env: plainEnvironment(),
    });
    assert.equal(checked.code, 0, `${checked.stdout}${checked.stderr}`);
  });

  test('installed into an empty folder, the package runs the quickstart file', async () => {
    const home = place.join('home');
    await mkdir(home);
    await writeFile(join(home, 'package.json'), '{ "private": true }\n');
    const { version } = JSON.parse(await readFile(join(copy, 'package.json'), 'utf8')) as { version: string };
    await npm(['install', '--prefer-offline', '--omit=dev', place.join(`certplane-${version}.tgz`)], { cwd: home });
    const installed = join(home, 'node_modules', 'certplane');
    for (const one of ['src', 'web/src', 'test', 'tools']) assert.ok(!existsSync(join(installed, one)), one);
    for (const one of ['typescript', 'vite', 'react']) assert.ok(!existsSync(join(home, 'node_modules', one)), one);

    const free = await quickstart({ root: installed });
    await writeFile(join(installed, quickstartFile), free.yaml);
    const env = plainEnvironment();
    env['PATH'] = [dirname(process.execPath), env['PATH']].join(delimiter);
    const args = ['run', '--config', join('node_modules', 'certplane', quickstartFile), '--data-dir', 'data'];
    const bin = join('node_modules', '.bin', 'certplane');
    await using running = spawnProcess(bin, args, { cwd: home, env, group: true });
    await serves(running, home, free.ports);
    await stops(running, 'SIGTERM', running.pid);
  });

  const tooOld = old !== undefined && Number(old.version.slice(1).split('.')[0]) < 26 ? old : undefined;
  test(
    'under an older Node.js the package names the version it needs',
    { skip: tooOld === undefined ? 'needs an older Node.js on PATH' : false },
    async () => {
      const bin = place.join('home', 'node_modules', '.bin', 'certplane');
      const env = { ...plainEnvironment(), PATH: dirname(tooOld?.path ?? '') + `${delimiter}/usr/bin:/bin` };
      for (const args of [['run'], ['--version'], []]) {
        const { code, stdout, stderr } = await runProgram(bin, args, { cwd: place.path, env });
        assert.equal(code, 1);
        assert.equal(stdout, '');
        assert.match(stderr, /^Certplane needs Node\.js 26 or newer; this is v\d+\.\d+\.\d+\. [^\n]+\n$/);
        assert.ok(stderr.includes(`this is ${tooOld?.version}.`), stderr);
      }
    },
  );
});
