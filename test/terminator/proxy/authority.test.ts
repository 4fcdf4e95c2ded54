import assert from 'node:assert/strict';
import test from 'node:test';
import { parseAuthority } from '../../../src/terminator/proxy/authority.ts';

test('an authority is a host and perhaps a port, and nothing else', () => {
  const good = {
    'A.test': 'a.test',
    'a.test.:443': 'a.test',
    'a_b.test:': 'a_b.test',
    '[::1]:8443': '::1',
    '127.0.0.1': '127.0.0.1',
  };
  for (const [authority, host] of Object.entries(good)) assert.equal(parseAuthority(authority), host, authority);
  for (const bad of [
    '',
    ':443',
    'a:b',
    'a.test:443:444',
    'a.test:123456',
    'a.test[x]',
    '[::1',
    '[]',
    'u@a.test',
    'a/b',
    'a b',
    'ä',
  ])
    assert.equal(parseAuthority(bad), undefined, bad);
});
