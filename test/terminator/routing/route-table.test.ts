import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { Route } from '../../../src/core/route.ts';
import { compileRoutes } from '../../../src/terminator/routing/route-table.ts';
import { routeTo } from '../support/harness.ts';

function route(host: string, path: string, body = `${host}${path}`): Route {
  return routeTo(host, { kind: 'respond', status: 200, body, headers: {} }, path);
}

function found(routes: readonly Route[], host: string, target: string): string {
  const result = compileRoutes(routes).find(host, target);
  if (typeof result === 'string') return result;
  return result.action.kind === 'respond' ? result.action.body : result.action.kind;
}

test('an exact host comes before a wildcard, and a wildcard covers exactly one label', () => {
  const routes = [route('*.shop.test', '/'), route('www.shop.test', '/')];
  assert.equal(found(routes, 'www.shop.test', '/'), 'www.shop.test/');
  assert.equal(found(routes, 'api.shop.test', '/x'), '*.shop.test/');
  assert.equal(found(routes, 'a.b.shop.test', '/'), 'unknown-host');
  assert.equal(found(routes, 'shop.test', '/'), 'unknown-host');
  assert.equal(compileRoutes(routes).knows('api.shop.test'), true);
  assert.equal(compileRoutes(routes).knows('shop.test'), false);
});

test('paths match by element, and the longest wins wherever it is written', () => {
  const routes = [route('a.test', '/'), route('a.test', '/api/v1/'), route('a.test', '/api')];
  const cases: Record<string, string> = {
    '/': '/',
    '/apix': '/',
    '/api': '/api',
    '/api?x=/api/v1': '/api',
    '/api/v1': '/api/v1/',
    '/api/v1?x': '/api/v1/',
    '/api/v1x': '/api',
    '/api/v1/y': '/api/v1/',
    '/API': '/',
  };
  for (const [target, path] of Object.entries(cases))
    assert.equal(found(routes, 'a.test', target), `a.test${path}`, target);
});

test('a host without a fitting path falls through to the wildcard, and then says so', () => {
  const routes = [route('www.a.test', '/only'), route('*.a.test', '/wide')];
  assert.equal(found(routes, 'www.a.test', '/wide/x'), '*.a.test/wide');
  assert.equal(found(routes, 'www.a.test', '/other'), 'no-route');
});

function fits(prefix: string, target: string): boolean {
  return prefix === '/' || target === prefix || target.startsWith(`${prefix}/`);
}

test('the chosen prefix is always a prefix by element, and no longer one fits', () => {
  const path = fc.array(fc.constantFrom('a', 'b', 'aa', 'ab'), { maxLength: 4 }).map((parts) => `/${parts.join('/')}`);
  fc.assert(
    fc.property(fc.uniqueArray(path, { minLength: 1, maxLength: 8 }), path, (paths, target) => {
      const result = found(
        paths.map((one) => route('a.test', one, one)),
        'a.test',
        target,
      );
      const best = paths.filter((one) => fits(one, target)).toSorted((a, b) => b.length - a.length)[0];
      assert.equal(result, best ?? 'no-route');
    }),
  );
});
