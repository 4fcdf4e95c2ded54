/** The program is replaced, or killed, while an activator holds its sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import test from 'node:test';
import { startLoad } from '../support/load.ts';
import { groupProcesses } from '../support/process-tree.ts';
import { until } from '../support/until.ts';
import { activatedSite, bin, untilServing } from '../terminator/support/activated-site.ts';
import { startActivator } from '../terminator/support/activator.ts';

for (const command of ['terminator', 'run'] as const) {
  test(`never (§5.3): the program is replaced by another one on the activator's sockets, and no client is refused (${command})`, async (t) => {
    if (process.platform === 'win32') return t.skip('needs a shell');
    await using activator = startActivator(['https', 'http']);
    const [https, http] = activator.ports as [number, number];
    await using place = await activatedSite(https, http);
    const args = [bin, command, '--config', place.config];
    await using first = activator.start(args);
    await untilServing(first, https, place.ca);
    await using load = startLoad({
      mode: 'new',
      port: https,
      caPem: place.ca.certPem,
      servernames: ['a.localhost'],
      concurrency: 4,
      verify: { status: 200, bodyIncludes: 'here' },
      requestTimeoutMs: 30_000,
    });
    await load.reached(50);
    first.child.kill('SIGTERM');
    assert.equal(await first.ended(), 0, first.output);
    await using second = activator.start(args);
    const before = load.done;
    await load.reached(before + 100);
    await load.stop();
    assert.deepEqual(load.failures, []);
    assert.equal(second.child.exitCode, null);
    assert.doesNotMatch(first.output + second.output, /address-in-use|was passed/);
    // The plain listener is the activator's, too.
    const plain = connect(http, '127.0.0.1');
    plain.write('GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n');
    const [answer] = (await once(plain, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 308 /);
    plain.destroy();
  });
}

test('a terminator that is killed gets the same sockets again from the process that watches over it', async (t) => {
  if (process.platform !== 'linux') return t.skip('needs /proc');
  await using activator = startActivator(['https', 'http']);
  const [https, http] = activator.ports as [number, number];
  await using place = await activatedSite(https, http);
  await using program = activator.start([bin, 'run', '--config', place.config]);
  await untilServing(program, https, place.ca);
  const terminator = (): number | undefined =>
    groupProcesses(program.pid).find(({ args }) => args.includes(' terminator '))?.pid;
  const killed = terminator() as number;
  process.kill(killed, 'SIGKILL');
  await until(() => ![undefined, killed].includes(terminator()), { what: 'the next terminator' });
  await untilServing(program, https, place.ca);
  assert.doesNotMatch(program.output, /address-in-use|was passed/);
});
