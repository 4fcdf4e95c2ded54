import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Command } from 'commander';
import { createProgram } from '../../src/cli/program.ts';
import { tempDir } from '../support/tempdir.ts';
import { cli } from './running.ts';

const root = join(import.meta.dirname, '..', '..');

test('without a command it shows the help on standard error and exits 2', async () => {
  const { code, stdout, stderr } = await cli([]);
  assert.deepEqual([code, stdout], [2, '']);
  assert.match(stderr, /^Usage: certplane \[options\] \[command\]/);
});

test('help and version go to standard output and exit 0', async () => {
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  assert.deepEqual(await cli(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' });
  for (const argv of [['--help'], ['help'], ['help', 'renew'], ['renew', '--help'], ['token', '--help']]) {
    const { code, stdout, stderr } = await cli(argv);
    assert.deepEqual([code, stderr], [0, ''], argv.join(' '));
    assert.match(stdout, /^Usage: certplane/);
  }
});

test('a wrong command line is one line that says what was meant, and exits 2', async () => {
  const wrong: [string[], string][] = [
    [['lst'], "Unknown command 'lst'. Did you mean list?"],
    [['nothing-like-it'], "Unknown command 'nothing-like-it'."],
    [['renew'], "Missing required argument 'certificate'."],
    [['list', '--limt', '3'], "Unknown option '--limt'. Did you mean --limit?"],
    [['list', 'extra'], "Too many arguments for 'list'. Expected 0 arguments but got 1: extra."],
    [['list', '--limit', 'many'], '--limit is a number from 1 on, not "many".'],
    [['list', '--limit', '0'], '--limit is a number from 1 on, not "0".'],
    [['renew', 'shop', '--timeout', 'soon'], '--timeout is a duration such as 90s or 15m, not "soon".'],
    [['plan', '--within', '7'], '--within is a duration such as 12h or 7d, not "7".'],
    ...['', ' ', 'x'.repeat(101)].map((label): [string[], string] => [
      ['token', 'create', label],
      'The label is text of 1 to 100 characters that says what the token is for, such as "ci".',
    ]),
    [
      ['token', 'create', 'ci', '--expires', '1s'],
      '--expires is a duration of at least a minute, such as 90d, not "1s".',
    ],
  ];
  for (const [argv, message] of wrong) {
    const expected = { code: 2, stdout: '', stderr: `certplane: ${message} [cli.usage]\n` };
    assert.deepEqual(await cli(argv, { env: { CERTPLANE_DATA_DIR: '/nowhere' } }), expected);
  }
  const { code, stderr } = await cli(['list', '--phase', 'odd']);
  assert.equal(code, 2);
  assert.match(
    stderr,
    /^certplane: Option '--phase <phase>' argument 'odd' is invalid\. Allowed choices are pending, /,
  );
});

test('with --json an error is an object on standard error', async () => {
  const usage = await cli(['renew', '--json']);
  assert.equal(usage.code, 2);
  assert.deepEqual(JSON.parse(usage.stderr), {
    error: { code: 'cli.usage', message: "Missing required argument 'certificate'." },
  });
  const problem = await cli(['list', '--json', '--config', '/nowhere.yaml']);
  assert.deepEqual([problem.code, problem.stdout], [1, '']);
  assert.deepEqual(JSON.parse(problem.stderr), {
    error: {
      code: 'config.not-found',
      message: 'There is no file /nowhere.yaml, as --config says; write the path of one that exists.',
    },
  });
});

test('global options stand before or after the command', async () => {
  for (const argv of [
    ['--config', '/nowhere.yaml', 'list'],
    ['list', '--config', '/nowhere.yaml'],
    ['-c', '/nowhere.yaml', 'token', 'list'],
    ['token', 'list', '-c', '/nowhere.yaml'],
  ]) {
    assert.match((await cli(argv)).stderr, /^certplane: There is no file \/nowhere\.yaml/, argv.join(' '));
  }
});

test('an error of several lines carries its code on the first', async (t) => {
  await using dir = await tempDir();
  const { code, stderr } = await cli(['check'], { cwd: dir.path });
  if (code === 0) return t.skip('this machine has a configuration file of its own');
  assert.equal(code, 1);
  const [first, ...rest] = stderr.split('\n');
  assert.match(first ?? '', /^certplane: There is no configuration file\. .* \[config\.not-found\]$/);
  assert.equal(rest[1], 'terminator:');
});

function flagsOf(command: Command): string[] {
  return command.options.map((option) => option.long ?? '');
}

test('docs/cli.md names every command and every option of it', async () => {
  const docs = await readFile(join(root, 'docs', 'cli.md'), 'utf8');
  const program = createProgram(() => Promise.resolve(), '0');
  const general = [...flagsOf(program), '--help', '--url'];
  for (const flag of general) assert.ok(docs.includes(flag), flag);
  for (const command of program.commands) {
    const section = docs.split(/^### /m).find((part) => part.startsWith(`certplane ${command.name()}\n`));
    assert.ok(section !== undefined, command.name());
    for (const one of [command, ...command.commands]) {
      for (const flag of flagsOf(one)) {
        if (!general.includes(flag))
          assert.ok(section.includes(`\`${flag}`) || section.includes(`, ${flag}`), `${one.name()} ${flag}`);
      }
      if (one !== command) assert.ok(section.includes(`${command.name()} ${one.name()}`), one.name());
    }
  }
});
