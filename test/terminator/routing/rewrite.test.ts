import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { PathMatch, PathRewrite, RedirectAction, Route } from '../../../src/core/route.ts';
import { compileRoute, type CompiledRoute } from '../../../src/terminator/routing/compiled-route.ts';
import { readPath, type RequestPath } from '../../../src/terminator/routing/request-path.ts';
import { redirectLocation, rewritePath } from '../../../src/terminator/routing/rewrite.ts';

function compiled(path: PathMatch, action: Route['action'] = { kind: 'proxy', backend: 'b' }): CompiledRoute {
  return compileRoute({ name: 'r', hosts: ['a.test'], path, action, http: 'redirect' }, {});
}

const prefix = (value: string): PathMatch => ({ kind: 'prefix', value });
const replacePrefix = (value: string): PathRewrite => ({ kind: 'replace-prefix', value });

test('a replaced prefix keeps the rest of the path with its slashes', () => {
  const cases: [path: string, prefix: string, value: string, result: string][] = [
    ['/foo/bar', '/foo', '/xyz', '/xyz/bar'],
    ['/foo/bar', '/foo', '/xyz/', '/xyz/bar'],
    ['/foo', '/foo', '/xyz', '/xyz'],
    ['/foo/', '/foo', '/xyz', '/xyz/'],
    ['/foo/bar', '/foo', '/', '/bar'],
    ['/foo/', '/foo/', '/', '/'],
    ['/foo', '/foo', '/', '/'],
    ['/', '/', '/v2', '/v2/'],
    ['/x', '/', '/v2', '/v2/x'],
    ['/foo//evil.test/', '/foo', '/', '/evil.test/'],
  ];
  for (const [path, from, value, result] of cases)
    assert.equal(rewritePath(path, compiled(prefix(from)), replacePrefix(value)), result, `${path} ${from} ${value}`);
});

test('a replaced path is replaced whole, as is what an exact path or a pattern matched; * stays *', () => {
  const whole: PathRewrite = { kind: 'replace-path', value: '/index.html' };
  assert.equal(rewritePath('/a/b', compiled(prefix('/a')), whole), '/index.html');
  assert.equal(rewritePath('/a/b', compiled({ kind: 'exact', value: '/a/b' }), replacePrefix('/v2')), '/v2');
  assert.equal(rewritePath('/a/b', compiled({ kind: 'regex', value: '/a' }), replacePrefix('/v2')), '/v2');
  assert.equal(rewritePath('*', compiled(prefix('/')), whole), '*');
  assert.equal(rewritePath('/a', compiled(prefix('/')), undefined), '/a');
});

function redirected(action: Partial<RedirectAction>, target = '/old/x/?q=1', authority = 'a.test:8080', path = '/old') {
  const redirect: RedirectAction = { kind: 'redirect', status: 308, ...action };
  const route = compiled(prefix(path), redirect);
  return redirectLocation(redirect, route, readPath(target) as RequestPath, { scheme: 'http', authority });
}

test('a redirect changes what it says and keeps the rest, query and trailing slash included', () => {
  assert.equal(redirected({}), 'http://a.test:8080/old/x/?q=1');
  assert.equal(redirected({ scheme: 'https' }), 'https://a.test/old/x/?q=1');
  assert.equal(redirected({ scheme: 'http' }), 'http://a.test/old/x/?q=1');
  assert.equal(redirected({ host: 'b.test' }), 'http://b.test:8080/old/x/?q=1');
  assert.equal(redirected({ port: 80 }), 'http://a.test/old/x/?q=1');
  assert.equal(redirected({ scheme: 'https', port: 443 }), 'https://a.test/old/x/?q=1');
  assert.equal(redirected({ scheme: 'https', port: 80 }), 'https://a.test:80/old/x/?q=1');
  assert.equal(redirected({ path: replacePrefix('/new') }), 'http://a.test:8080/new/x/?q=1');
  assert.equal(redirected({ path: { kind: 'replace-path', value: '/n' } }), 'http://a.test:8080/n?q=1');
  assert.equal(redirected({}, '/old', 'a.test'), 'http://a.test/old');
  assert.equal(redirected({}, '/', '[::1]:81', '/'), 'http://[::1]:81/');
  assert.equal(redirected({}, '*', 'a.test:', '/'), 'http://a.test/');
});

test('a redirect never leaves the host by what the client wrote in the path', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^\/[!-~]{0,20}$/), (target) => {
      const path = readPath(target);
      if (typeof path === 'string') return;
      const action: RedirectAction = { kind: 'redirect', status: 308, path: replacePrefix('/') };
      const location = redirectLocation(action, compiled(prefix('/'), action), path, {
        scheme: 'https',
        authority: 'a.test',
      });
      assert.equal(new URL(location).host, 'a.test');
    }),
  );
});
