/** Who imports whom, read from the source text: static imports, re-exports and literal dynamic imports; type imports are left out. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const sourceRoot = resolve(import.meta.dirname, '../../src');

export interface SourceFile {
  /** Relative to src/, with forward slashes. */
  readonly path: string;
  /** Files of this project it loads when it is loaded. */
  readonly imports: readonly string[];
  /** Files it may load later (`import()`). */
  readonly lazyImports: readonly string[];
  readonly packages: readonly string[];
  readonly lines: number;
}

const statement = /^(?:import|export)\s+(?!type\b)(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm;
const dynamic = /\bimport\(\s*'([^']+)'\s*\)/g;

export function readSources(): ReadonlyMap<string, SourceFile> {
  const files = new Map<string, SourceFile>();
  for (const entry of readdirSync(sourceRoot, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const absolute = join(entry.parentPath, entry.name);
    const text = readFileSync(absolute, 'utf8');
    const specifiers = (pattern: RegExp): string[] => [...text.matchAll(pattern)].map((match) => match[1] as string);
    const local = (all: string[]): string[] =>
      all
        .filter((one) => one.startsWith('.'))
        .map((one) => relative(sourceRoot, resolve(dirname(absolute), one)).replaceAll('\\', '/'));
    const path = relative(sourceRoot, absolute).replaceAll('\\', '/');
    files.set(path, {
      path,
      imports: local(specifiers(statement)),
      lazyImports: local(specifiers(dynamic)),
      packages: [...specifiers(statement), ...specifiers(dynamic)].filter((one) => !one.startsWith('.')),
      lines: text.split('\n').length - 1,
    });
  }
  return files;
}

/** Every file a process loads from its entry on, and the packages they name. */
export function reach(
  files: ReadonlyMap<string, SourceFile>,
  entry: string,
  options: { lazy: boolean },
): { files: Set<string>; packages: Set<string> } {
  const seen = new Set<string>();
  const packages = new Set<string>();
  const queue = [entry];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (seen.has(path)) continue;
    const file = files.get(path);
    if (file === undefined) throw new Error(`${path} is imported and does not exist`);
    seen.add(path);
    for (const name of file.packages) packages.add(name);
    queue.push(...file.imports, ...(options.lazy ? file.lazyImports : []));
  }
  return { files: seen, packages };
}

/** One cycle as a path, or undefined. */
export function findCycle(edges: ReadonlyMap<string, Iterable<string>>): string[] | undefined {
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (node: string): string[] | undefined => {
    if (done.has(node)) return undefined;
    const start = path.indexOf(node);
    if (start >= 0) return [...path.slice(start), node];
    path.push(node);
    for (const next of edges.get(node) ?? []) {
      const cycle = visit(next);
      if (cycle !== undefined) return cycle;
    }
    path.pop();
    done.add(node);
    return undefined;
  };
  for (const node of edges.keys()) {
    const cycle = visit(node);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}
