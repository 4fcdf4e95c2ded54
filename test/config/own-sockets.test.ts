/** The admin socket asks for no login and the feed's socket gives keys away: no route may lead there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load, problemsOf } from './loading.ts';

const sentence = (name: string): string =>
  `<dir>/data/run/${name}.sock is a socket of Certplane itself, where nobody has to log in; write the socket of your application, or the host in admin.hosts for the admin page.`;

const routes = `
issuers: { local: { ca: {} } }
terminator:
  backends:
    feed: { endpoints: ['unix:./data/../data/run/feed.sock'] }
  routes:
    - { hosts: [a.localhost], backend: 'unix:data/run/admin.sock' }
    - { hosts: [b.localhost], tcp: { backend: 'unix:data/run/admin.sock' } }
    - { hosts: [c.localhost], backend: feed }
    - { hosts: [d.localhost], backend: { endpoints: ['unix:data/run/admin.sock'] } }
`;

test('never (§5.9, §5.14): no backend is a socket of Certplane itself', async () => {
  assert.deepEqual(await problemsOf(routes), [
    `certplane.yaml:5:25: error: terminator.backends.feed.endpoints[0]: ${sentence('feed')}`,
    `certplane.yaml:7:40: error: terminator.routes[0].backend: ${sentence('admin')}`,
    `certplane.yaml:8:47: error: terminator.routes[1].tcp.backend: ${sentence('admin')}`,
    `certplane.yaml:10:54: error: terminator.routes[3].backend.endpoints[0]: ${sentence('admin')}`,
  ]);
});

test('sockets of others are no problem', async () => {
  const { problems } = await load(routes, { dataDir: '/var/lib/certplane' });
  assert.deepEqual(problems, []);
});
