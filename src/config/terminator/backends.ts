/** Backends by name: those that the file defines, and those that routes write out. */
import type { Backend } from '../../core/backend.ts';
import { isMapping, parsePart } from '../issues.ts';
import type { Path } from '../position.ts';
import { backendName } from '../schema/names.ts';
import { terminatorSchema } from '../schema/terminator.ts';
import { backendUrl } from '../values/endpoints.ts';
import { nearest } from '../values/nearest.ts';
import { describeValue } from '../values/parsed.ts';
import { backendAt, readBackend } from './backend.ts';
import type { TerminatorContext } from './context.ts';

/** What a route does with it. */
export type BackendUse = 'http' | 'tcp' | 'passthrough';

export class Backends {
  readonly #context: TerminatorContext;
  readonly #all = new Map<string, Backend>();
  /** Defined in the file, readable or not: a reference to a broken one is no second problem. */
  readonly #places = new Map<string, Path>();
  readonly #used = new Set<string>();

  constructor(section: unknown, path: Path, context: TerminatorContext) {
    this.#context = context;
    const { problems } = context;
    if (section !== undefined && !isMapping(section))
      parsePart(terminatorSchema.shape.backends, section, path, problems);
    for (const [name, value] of Object.entries(isMapping(section) ? section : {})) {
      const at = [...path, name];
      const checked = backendName(name);
      if ('problem' in checked) problems.error(at, checked.problem, 'key');
      this.#places.set(name, at);
      const backend = readBackend(value, at, context);
      if (backend !== undefined) this.#all.set(name, backend);
    }
  }

  /** Those that can be read. */
  all(): Readonly<Record<string, Backend>> {
    return Object.fromEntries(this.#all);
  }

  /** The key of what a route names or writes out; undefined when there is a problem, which is reported. */
  resolve(written: unknown, { path, use, route }: { path: Path; use: BackendUse; route: string }): string | undefined {
    if (isMapping(written)) return this.#writtenOut(written, { path, use, key: `route/${route}` });
    const name = typeof written === 'string' ? written.trim() : '';
    if (this.#places.has(name)) {
      this.#used.add(name);
      const backend = this.#all.get(name);
      return backend !== undefined && this.#fits(backend, use, path) ? name : undefined;
    }
    const { problems } = this.#context;
    if (/^[A-Za-z][\w.-]*$/.test(name) && name !== 'localhost') {
      problems.error(path, unknownBackend(name, [...this.#places.keys()], use));
      return undefined;
    }
    const url = backendUrl(use !== 'http' && /^[^/]*:\d+$/.test(name) ? `tcp://${name}` : written);
    if ('problem' in url) {
      problems.error(path, url.problem);
      return undefined;
    }
    const isSocket = 'unixPath' in url.value.address;
    const backend = backendAt(url.value, path, this.#context);
    if (backend === undefined) return undefined;
    const key = isSocket && use !== 'http' ? `tcp+${url.value.text}` : url.value.text;
    const spoken: Backend = isSocket && use !== 'http' ? { ...backend, protocol: 'tcp' } : backend;
    if (!this.#fits(spoken, use, path)) return undefined;
    this.#all.set(key, spoken);
    return key;
  }

  /** Definitions that no route names. */
  warnOfUnused(): void {
    for (const [name, path] of this.#places) {
      if (this.#used.has(name) || !this.#all.has(name)) continue;
      this.#context.problems.warning(
        path,
        `No route sends anything to the backend ${name}; name it in one, or leave it out.`,
      );
    }
  }

  #writtenOut(written: unknown, { path, use, key }: { path: Path; use: BackendUse; key: string }): string | undefined {
    const backend = readBackend(written, path, this.#context);
    if (backend === undefined || !this.#fits(backend, use, path)) return undefined;
    this.#all.set(key, backend);
    return key;
  }

  #fits({ protocol, tls }: Backend, use: BackendUse, path: Path): boolean {
    const { problems } = this.#context;
    if (use === 'http' && protocol === 'tcp') {
      problems.error(
        path,
        'Requests are sent to a backend that speaks HTTP, and this is plain TCP; write http:// in its URL, or tcp: { backend: … } for the whole host.',
      );
    } else if (use !== 'http' && protocol !== 'tcp') {
      problems.error(
        path,
        'Bytes are sent to a backend that speaks plain TCP, and this one speaks HTTP; write tcp:// in its URL, or protocol: tcp.',
      );
    } else if (use === 'passthrough' && tls !== undefined) {
      problems.error(
        path,
        "The client's own TLS goes through unread, so that none can be added; leave tls out of the backend, or write tcp: { backend: … }.",
      );
    } else return true;
    return false;
  }
}

function unknownBackend(name: string, known: readonly string[], use: BackendUse): string {
  const close = nearest(name, known);
  const url = `${use === 'http' ? 'http' : 'tcp'}://${name}${use === 'http' ? '' : ':443'}`;
  const define = known.length === 0 ? 'define it under terminator.backends' : `one of ${known.slice(0, 10).join(', ')}`;
  const instead = close ?? (known.length === 0 ? undefined : define);
  return `There is no backend ${describeValue(name)}; ${instead === undefined ? define : `write ${instead}`}, or a URL such as ${url}.`;
}
