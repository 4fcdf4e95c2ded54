import assert from 'node:assert/strict';
import test from 'node:test';
import { findAccount } from '../../src/core/accounts.ts';

const tables = {
  passwd: 'root:x:0:0:root:/root:/bin/sh\nproxy:x:13:14:proxy:/bin:/usr/sbin/nologin\n:x:9:9::/:\nbroken\n',
  group: 'root:x:0:\nssl:x:110:proxy\n',
};

test('a user is found by name or number, with its group unless another one is written', () => {
  const proxy = { uid: 13, gid: 14, name: 'proxy' };
  assert.deepEqual(findAccount({ user: 'proxy' }, tables), proxy);
  assert.deepEqual(findAccount({ user: '13' }, tables), proxy);
  assert.deepEqual(findAccount({ user: 'proxy', group: 'ssl' }, tables), { ...proxy, gid: 110 });
  assert.deepEqual(findAccount({ user: 'proxy', group: '7' }, tables), { ...proxy, gid: 7 });
  assert.deepEqual(findAccount({ user: '1000', group: '1000' }, tables), { uid: 1000, gid: 1000 });
});

test('what is not there, and root, is said', () => {
  const sentences: [string, string | undefined, RegExp][] = [
    ['prxoy', undefined, /no user "prxoy" in \/etc\/passwd/],
    ['broken', undefined, /no user "broken"/],
    ['99999999999', undefined, /no user "99999999999"/],
    ['1000', undefined, /its group has to be written, too: group: 1000/],
    ['proxy', 'sll', /no group "sll" in \/etc\/group/],
    ['root', undefined, /That is root/],
    ['0', 'ssl', /That is root/],
  ];
  for (const [user, group, expected] of sentences) {
    const found = findAccount({ user, group }, tables);
    assert.match(typeof found === 'string' ? found : '', expected, user);
  }
});
