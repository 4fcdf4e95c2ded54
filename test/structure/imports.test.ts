import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findCycle, reach, readSources } from './module-graph.ts';

/** Imports only point down this list (docs/architecture.md explains it). */
const layers = [
  'bin.ts',
  'cli',
  'main',
  'simulate',
  'api',
  'access',
  'alert',
  'inventory',
  'explain',
  'kubernetes',
  'kubernetes/watch',
  'terminator',
  'schedule',
  'acme-server',
  'issue',
  'acme',
  'pki',
  'deliver',
  'state',
  'store',
  'config',
  'observe',
  'core',
];

const files = readSources();

function layerOf(path: string): number {
  const index = path.startsWith('kubernetes/watch/')
    ? layers.indexOf('kubernetes/watch')
    : layers.indexOf(path.split('/')[0] as string);
  assert.ok(index >= 0, `${path} belongs to no layer: add its folder to the list, in its place`);
  return index;
}

test('imports only point down the list of layers', () => {
  const upward: string[] = [];
  for (const file of files.values()) {
    // The command line hands over to the wiring; the wiring never imports the command line.
    for (const target of file.imports)
      if (layerOf(target) < layerOf(file.path)) upward.push(`${file.path} -> ${target}`);
  }
  assert.deepEqual(upward, []);
});

test('no file and no folder is part of an import cycle', () => {
  assert.equal(findCycle(new Map([...files.values()].map((file) => [file.path, file.imports]))), undefined);
  const folders = new Map<string, Set<string>>();
  for (const file of files.values()) {
    const from = layers[layerOf(file.path)] as string;
    const targets = folders.get(from) ?? new Set<string>();
    for (const target of file.imports) {
      const to = layers[layerOf(target)] as string;
      if (to !== from) targets.add(to);
    }
    folders.set(from, targets);
  }
  assert.equal(findCycle(folders), undefined);
});

test('the core imports nothing above it and no package', () => {
  for (const file of files.values()) {
    if (!file.path.startsWith('core/')) continue;
    for (const target of file.imports) assert.ok(target.startsWith('core/'), `${file.path} -> ${target}`);
    for (const name of file.packages) assert.ok(name.startsWith('node:'), `${file.path} -> ${name}`);
  }
});

test("each process loads only what it needs: the terminator's has no API, store, ACME or Kubernetes client", (t) => {
  const forbidden = ['@kubernetes/client-node', 'express', 'acme-client', '@peculiar/x509', 'node:sqlite'];
  const processes = {
    run: 'main/run.ts',
    control: 'main/control.ts',
    terminator: 'main/terminator.ts',
    worker: 'terminator/worker.ts',
  };
  for (const [name, entry] of Object.entries(processes)) {
    const graph = reach(files, entry, { lazy: true });
    const folders = [...new Set([...graph.files].map((path) => path.split('/')[0] as string))].toSorted();
    t.diagnostic(
      `${name}: ${graph.files.size} files in ${folders.join(', ')}; packages: ${[...graph.packages].toSorted().join(', ')}`,
    );
    if (name === 'control') continue;
    for (const one of forbidden) assert.ok(!graph.packages.has(one), `${name} reaches ${one}`);
  }
  const worker = reach(files, processes.worker, { lazy: true });
  for (const path of worker.files)
    assert.match(path, /^(terminator|core)\//, 'a worker loads nothing but the data plane');
});

test('SQL stays in the store', () => {
  for (const file of files.values()) {
    if (file.packages.includes('node:sqlite')) assert.match(file.path, /^store\//);
  }
});

test('no file is longer than 350 lines and the median is under 90', (t) => {
  const lengths = [...files.values()].map((file) => file.lines).toSorted((a, b) => a - b);
  for (const file of files.values()) assert.ok(file.lines <= 350, `${file.path} has ${file.lines} lines`);
  const median = lengths[Math.floor(lengths.length / 2)] as number;
  t.diagnostic(`${lengths.length} files, median ${median} lines`);
  assert.ok(median < 90, `the median is ${median}`);
});
