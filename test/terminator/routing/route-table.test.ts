import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { PathMatch, Route } from '../../../src/core/route.ts';
import { readPath } from '../../../src/terminator/routing/request-path.ts';
import { compileRoutes, type RouteTable } from '../../../src/terminator/routing/route-table.ts';

type Extra = Partial<Pick<Route, 'methods' | 'headers'>>;

/** Named by its host and path. */
function route(host: string, path: string | PathMatch, extra: Extra = {}): Route {
  const match = typeof path === 'string' ? ({ kind: 'prefix', value: path } as const) : path;
  const name = `${host} ${match.kind === 'prefix' ? '' : `${match.kind} `}${match.value}`;
  return {
    name,
    hosts: [host],
    path: match,
    action: { kind: 'respond', status: 200, body: name, headers: {} },
    http: 'redirect',
    ...extra,
  };
}

const exact = (value: string): PathMatch => ({ kind: 'exact', value });
const regex = (value: string): PathMatch => ({ kind: 'regex', value });

function ask(
  table: RouteTable,
  host: string,
  target: string,
  request: { method?: string; headers?: readonly string[] } = {},
): string {
  const path = readPath(target);
  if (typeof path === 'string') return path;
  const found = table.find(host, path, { method: 'GET', headers: [], ...request });
  if (typeof found === 'string') return found;
  return 'allow' in found ? `allow ${found.allow.join(', ')}` : found.name;
}

test('an exact host comes before a wildcard, and a wildcard covers exactly one label', () => {
  const table = compileRoutes([route('*.shop.test', '/'), route('www.shop.test', '/')], {});
  assert.equal(ask(table, 'www.shop.test', '/'), 'www.shop.test /');
  assert.equal(ask(table, 'api.shop.test', '/x'), '*.shop.test /');
  assert.equal(ask(table, 'a.b.shop.test', '/'), 'unknown-host');
  assert.equal(ask(table, 'shop.test', '/'), 'unknown-host');
});

test('prefixes match by element, and the longest wins wherever it is written', () => {
  const table = compileRoutes([route('a.test', '/'), route('a.test', '/api/v1/'), route('a.test', '/api')], {});
  const cases: Record<string, string> = {
    '/': '/',
    '/apix': '/',
    '/api': '/api',
    '/api/': '/api',
    '/api?x=/api/v1': '/api',
    '/api/v1': '/api/v1/',
    '/api/v1?x': '/api/v1/',
    '/api/v1x': '/api',
    '/api/v1/y': '/api/v1/',
    '/API': '/',
    '*': '/',
  };
  for (const [target, path] of Object.entries(cases))
    assert.equal(ask(table, 'a.test', target), `a.test ${path}`, target);
});

test('exact comes before the longest prefix, that before a pattern, and that before the prefix /', () => {
  const table = compileRoutes(
    [
      route('a.test', '/'),
      route('a.test', regex('/(?:api|v[0-9]+)/')),
      route('a.test', '/api/public'),
      route('a.test', exact('/api/public/index')),
      route('a.test', exact('/api/')),
    ],
    {},
  );
  const cases: Record<string, string> = {
    '/x': '/',
    '/x/api/': '/',
    '/api': '/',
    '/api/': 'exact /api/',
    '/api/x': 'regex /(?:api|v[0-9]+)/',
    '/v12/x': 'regex /(?:api|v[0-9]+)/',
    '/api/public': '/api/public',
    '/api/public/index': 'exact /api/public/index',
    '/api/public/index/': '/api/public',
  };
  for (const [target, name] of Object.entries(cases))
    assert.equal(ask(table, 'a.test', target), `a.test ${name}`, target);
});

test('a host without a fitting path falls through to the wildcard, and then says so', () => {
  const table = compileRoutes([route('www.a.test', '/only'), route('*.a.test', '/wide')], {});
  assert.equal(ask(table, 'www.a.test', '/wide/x'), '*.a.test /wide');
  assert.equal(ask(table, 'www.a.test', '/other'), 'no-route');
});

test('more conditions come first, then what is written first; only the method missing says which are allowed', () => {
  const beta = { name: 'x-beta' };
  const table = compileRoutes(
    [
      { ...route('a.test', '/p'), name: 'first' },
      { ...route('a.test', '/p'), name: 'second' },
      { ...route('a.test', '/p', { headers: [beta] }), name: 'beta' },
      {
        ...route('a.test', '/p', { headers: [{ name: 'x-beta', value: '1' }], methods: ['GET', 'PUT'] }),
        name: 'both',
      },
      { ...route('a.test', '/m', { methods: ['POST'] }), name: 'post' },
      { ...route('a.test', '/m', { methods: ['PATCH'], headers: [beta] }), name: 'patch' },
      { ...route('a.test', exact('/m/deep'), { methods: ['DELETE'] }), name: 'delete' },
    ],
    {},
  );
  const cases: [string, string, string[], string][] = [
    ['GET', '/p', [], 'first'],
    ['GET', '/p', ['X-Beta', '2'], 'beta'],
    ['GET', '/p', ['x-beta', '2', 'X-BETA', '1'], 'both'],
    ['POST', '/p', ['x-beta', '1'], 'beta'],
    ['POST', '/m', [], 'post'],
    ['GET', '/m', [], 'allow POST'],
    ['GET', '/m', ['x-beta', ''], 'allow PATCH, POST'],
    ['post', '/m', [], 'allow POST'],
    ['POST', '/m/deep', [], 'post'],
    ['GET', '/m/deep', [], 'allow DELETE, POST'],
    ['HEAD', '/m', [], 'allow POST'],
  ];
  for (const [method, target, headers, name] of cases)
    assert.equal(ask(table, 'a.test', target, { method, headers }), name, `${method} ${target} ${headers.join(' ')}`);
});

test('never (§5.14): a pattern that would take a backtracking engine for ever is answered', () => {
  const table = compileRoutes([route('a.test', regex('^/(a+)+$')), route('a.test', regex('/(.*)*(.*)*x'))], {});
  assert.deepEqual(table.problems, []);
  for (const length of [30, 8_000]) assert.equal(ask(table, 'a.test', `/${'a'.repeat(length)}!`), 'no-route');
  assert.equal(ask(table, 'a.test', `/${'a'.repeat(30)}`), 'a.test regex ^/(a+)+$');
  assert.equal(ask(table, 'a.test', `/${'a'.repeat(8_200)}`), 'path-too-long');
});

test('never (§5.14): patterns of a host that are too much work together are not matched against long paths', () => {
  const heavy = Array.from({ length: 20 }, (_, i) => route('a.test', regex(`/${i}(?:${'.*'.repeat(200)}){16}x`)));
  const table = compileRoutes([...heavy, route('a.test', '/'), route('b.test', regex('/x.*y'))], {});
  assert.deepEqual(table.problems, []);
  assert.equal(ask(table, 'a.test', '/short'), 'a.test /');
  assert.equal(ask(table, 'a.test', `/${'1'.repeat(200)}`), 'path-too-long');
  assert.equal(ask(table, 'b.test', `/x${'1'.repeat(8_000)}y`), 'b.test regex /x.*y');
});

test('never (§5.14): a pattern that cannot take linear time is refused, and with it its host alone', () => {
  const bad: Record<string, string> = {
    '/(a)\\1': 'Cannot be executed in linear time',
    '/(?=a)a': 'Cannot be executed in linear time',
    '/(?:a{1,1000}){1,1000}': 'Cannot be executed in linear time',
    '/a)|(b': 'Unmatched',
    '/[': 'Unterminated character class',
    [`/${'a'.repeat(600)}`]: 'more than 500 characters',
  };
  for (const [pattern, reason] of Object.entries(bad)) {
    const table = compileRoutes(
      [
        route('a.test', '/'),
        { ...route('a.test', regex(pattern)), name: 'forbids' },
        route('b.test', '/'),
        route('*.test', '/'),
      ],
      {},
    );
    const [problem, ...more] = table.problems;
    assert.deepEqual([problem?.route, problem?.hosts, more], ['forbids', ['a.test'], []]);
    assert.match(problem?.message ?? '', new RegExp(RegExp.escape(reason), 'i'));
    assert.equal(ask(table, 'a.test', '/x'), 'refused-host');
    assert.equal(ask(table, 'b.test', '/x'), 'b.test /');
  }
  const wide = compileRoutes([route('*.test', regex('/(a)\\1')), route('a.test', '/a')], {});
  assert.equal(ask(wide, 'a.test', '/a'), 'a.test /a');
  assert.equal(ask(wide, 'a.test', '/b'), 'refused-host');
});

test('what cannot stand in a path or a header is refused as well', () => {
  const changes = { remove: [], set: { 'x-a': 'b\r\nc: d' }, add: {} };
  const table = compileRoutes(
    [
      { ...route('a.test', '/%zz') },
      { ...route('b.test', '/'), requestHeaders: changes },
      { ...route('c.test', '/'), action: { kind: 'respond', status: 200, body: '', headers: { 'a b': 'c' } } },
    ],
    {},
  );
  assert.equal(table.problems.length, 3);
  for (const host of ['a.test', 'b.test', 'c.test']) assert.equal(ask(table, host, '/'), 'refused-host');
});

test('a route whose backend does not exist takes its requests and answers none of them', () => {
  const action = { kind: 'proxy', backend: 'gone' } as const;
  const table = compileRoutes([{ ...route('a.test', '/x'), action }, route('a.test', '/')], { other: {} });
  assert.deepEqual(table.problems, [{ route: 'a.test /x', hosts: ['a.test'], message: 'Its backend does not exist.' }]);
  assert.equal(ask(table, 'a.test', '/x/y'), 'a.test /x');
});

test('paths of routes are read as those of requests are', () => {
  const table = compileRoutes([route('a.test', '/%61/ä'), route('a.test', exact('/b%3a'))], {});
  assert.equal(ask(table, 'a.test', '/a/%c3%a4/x'), 'a.test /%61/ä');
  assert.equal(ask(table, 'a.test', '/a/\xc3\xa4'), 'a.test /%61/ä');
  assert.equal(ask(table, 'a.test', '/b%3A'), 'ambiguous-path', 'a backend may see /b:');
});

test('a path that readers take differently is refused only where it leads to different routes', () => {
  const table = compileRoutes(
    [route('a.test', '/'), route('a.test', '/admin'), route('a.test', '/@scope'), route('b.test', '/')],
    {},
  );
  const cases: Record<string, string> = {
    '//admin': 'ambiguous-path',
    '/x/..//admin': 'a.test /admin',
    '/admin;x=1': 'ambiguous-path',
    '/admin%2fx': 'ambiguous-path',
    '/admin\\x': 'ambiguous-path',
    '/%40scope%2fname': 'ambiguous-path',
    '/x%2fadmin': 'a.test /',
    '/x;y/z//b': 'a.test /',
    '/admin/x%2Fy;z': 'a.test /admin',
  };
  for (const [target, name] of Object.entries(cases)) assert.equal(ask(table, 'a.test', target), name, target);
  assert.equal(ask(table, 'b.test', '//admin;x%2f\\'), 'b.test /', 'a single route cannot be bypassed');
});

// Backends as they are found in the wild: what each does to a path before it looks at it.
const habits: ((path: string) => string)[] = [
  (path) => path.replaceAll('%2F', '/'),
  (path) => path.replaceAll('%5C', '\\'),
  (path) => path.replaceAll('\\', '/'),
  (path) => path.replaceAll('%3B', ';'),
  (path) => path.replaceAll(/;[^/]*/g, ''),
  (path) => path.replaceAll(/%(?:2[1467-9ABC]|3[AD]|40)/g, decodeURIComponent),
  (path) => path.replaceAll(/\/{2,}/g, '/'),
];

function asReader(path: string, mask: number): string {
  let read = path;
  for (const [i, habit] of habits.entries()) if ((mask & (1 << i)) !== 0) read = habit(read);
  const kept: string[] = [];
  for (const segment of read.split('/').slice(1)) {
    if (segment === '..') kept.pop();
    else if (segment !== '.') kept.push(segment);
  }
  return `/${kept.join('/')}`;
}

/** The rules as they are written down, and nothing else. */
function reference(routes: readonly Route[], path: string): string | undefined {
  const prefixes = routes.filter(({ path: { kind } }) => kind === 'prefix');
  const fits = (value: string): boolean => value === '/' || path === value || path.startsWith(`${value}/`);
  const byExact = routes.find(({ path: match }) => match.kind === 'exact' && match.value === path);
  const byPrefix = prefixes
    .filter(({ path: { value } }) => value !== '/' && fits(value))
    .toSorted((a, b) => b.path.value.length - a.path.value.length)[0];
  const byPattern = routes.find(({ path: m }) => m.kind === 'regex' && new RegExp(`^(?:${m.value})`).test(path));
  return (byExact ?? byPrefix ?? byPattern ?? prefixes.find(({ path: { value } }) => value === '/'))?.name;
}

const plainPath = fc
  .array(fc.constantFrom('a', 'b', 'ab', 'x@', 'admin'), { maxLength: 3 })
  .map((parts) => `/${parts.join('/')}`);
const pathMatch: fc.Arbitrary<PathMatch> = fc.oneof(
  plainPath.map((value): PathMatch => ({ kind: 'prefix', value })),
  plainPath.map(exact),
  fc.constantFrom('/a[^/]*$', '/[ab]+/b', '/a[;a]+/', '/[^/]*/admin', '/x|/b', '.*//').map(regex),
);
const routesOfHost = fc
  .uniqueArray(pathMatch, { minLength: 1, maxLength: 6, selector: ({ kind, value }) => `${kind}${value}` })
  .map((paths) => paths.map((path) => route('a.test', path)));

test('the chosen route is the one that the rules say', () => {
  fc.assert(
    fc.property(routesOfHost, plainPath, (routes, path) => {
      assert.equal(ask(compileRoutes(routes, {}), 'a.test', path), reference(routes, path) ?? 'no-route');
    }),
    { numRuns: 2_000 },
  );
});

test('never (§5.14): no backend, whatever its habits, sees a path that belongs to another route than the chosen one', () => {
  const piece = fc.constantFrom(
    'a',
    'b',
    'ab',
    'x@',
    'x%40',
    'admin',
    '/',
    '//',
    '.',
    '..',
    '%2f',
    '%5c',
    '\\',
    ';',
    '%3b',
    '%2e',
  );
  const target = fc.array(piece, { maxLength: 8 }).map((parts) => `/${parts.join('')}`);
  let accepted = 0;
  fc.assert(
    fc.property(routesOfHost, target, (routes, raw) => {
      const path = readPath(raw);
      if (typeof path === 'string') return;
      const table = compileRoutes(routes, {});
      const found = table.find('a.test', path, { method: 'GET', headers: [] });
      if (typeof found === 'string' || 'allow' in found) return;
      if (path.readings !== 'one') accepted += 1;
      for (let mask = 0; mask < 1 << habits.length; mask += 1)
        assert.equal(
          reference(routes, asReader(path.path, mask)),
          found.name,
          `${raw} read as ${asReader(path.path, mask)}`,
        );
    }),
    { numRuns: 5_000 },
  );
  assert.ok(accepted > 100, `only ${accepted} paths that readers take differently were accepted`);
});

test('each of ten thousand hosts, and of ten thousand paths of one host, is found', (t) => {
  const before = performance.now();
  const hosts = Array.from({ length: 10_000 }, (_, i) => route(`h${i}.test`, '/'));
  const paths = Array.from({ length: 10_000 }, (_, i) => route('many.test', `/section${i % 100}/item${i}`));
  const table = compileRoutes([...hosts, ...paths], {});
  const compiled = performance.now();
  for (let i = 0; i < 10_000; i += 1) {
    assert.equal(ask(table, `h${i}.test`, '/x'), `h${i}.test /`);
    assert.equal(ask(table, 'many.test', `/section${i % 100}/item${i}/x`), `many.test /section${i % 100}/item${i}`);
  }
  const spent = [compiled - before, performance.now() - compiled].map(Math.round);
  t.diagnostic(`compiled in ${spent[0]} ms, 20,000 lookups in ${spent[1]} ms`);
});
