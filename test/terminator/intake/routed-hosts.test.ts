import assert from 'node:assert/strict';
import test from 'node:test';
import type { Route } from '../../../src/core/route.ts';
import { routedHosts } from '../../../src/terminator/intake/routed-hosts.ts';

test('the hosts of routes that a certificate is for are found by its names', () => {
  const routes = [
    ['a.test', '*.apps.test'],
    ['x.apps.test', 'a.test'],
    ['deep.x.apps.test', 'apps.test'],
  ].map((hosts) => ({ hosts }) as unknown as Route);
  assert.deepEqual(routedHosts(routes, ['a.test', 'other.test']), ['a.test']);
  assert.deepEqual(routedHosts(routes, ['*.apps.test', 'x.apps.test']), ['*.apps.test', 'x.apps.test']);
  assert.deepEqual(routedHosts(routes, ['x.apps.test']), ['x.apps.test']);
  assert.deepEqual(routedHosts([], ['a.test']), []);
});
