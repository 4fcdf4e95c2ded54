/** Routes, and the hosts that they need certificates for. */
import type { PathMatch, Route } from '../../core/route.ts';
import type { HostUse } from '../desired.ts';
import { parseEach } from '../issues.ts';
import { formatPath, type Path } from '../position.ts';
import { routeSchema, type RouteInput } from '../schema/routes.ts';
import { terminatorSchema } from '../schema/terminator.ts';
import { actionKind, checkBelonging, headerChanges, readAction } from './actions.ts';
import type { Backends } from './backends.ts';
import { Claims } from './claims.ts';
import type { TerminatorContext } from './context.ts';

export interface Routes {
  readonly routes: readonly Route[];
  /** Hosts that get an automatic certificate unless another covers them. */
  readonly hosts: readonly HostUse[];
  /** Where each route stands in the file, by its name. */
  readonly places: ReadonlyMap<string, Path>;
}

const root: PathMatch = { kind: 'prefix', value: '/' };

export function readRoutes(
  value: unknown,
  path: Path,
  { backends, context }: { backends: Backends; context: TerminatorContext },
): Routes {
  const { problems } = context;
  const inputs = parseEach(terminatorSchema.shape.routes, value, { entry: routeSchema, path, problems });
  const routes: Route[] = [];
  const hosts: HostUse[] = [];
  const claims = new Claims(problems);
  const names = new RouteNames(inputs.flatMap((input) => input?.fields.name ?? []));
  for (const [i, input] of inputs.entries()) {
    if (input === undefined) continue;
    const at = [...path, i];
    const { fields } = input;
    const { hosts: written = [], tcp, passthrough, methods, headers } = fields;
    const whole = tcp !== undefined || passthrough !== undefined;
    for (const [j, host] of written.entries()) {
      const here = [...at, 'hosts', j];
      if (fields.path !== undefined) {
        claims.add(
          host,
          { path: whole ? root : fields.path, methods, headers, whole },
          { at: here, quiet: !input.complete },
        );
      }
      if (fields.automaticCertificate ?? passthrough === undefined) hosts.push({ host, path: here });
    }
    const name = names.take(fields, at, context);
    if (!input.complete) continue;
    const route = readRoute(fields as RouteInput, name, { at, backends, context });
    if (route !== undefined) routes.push(route);
  }
  return { routes, hosts, places: names.places };
}

function readRoute(
  input: RouteInput,
  name: string,
  { at, backends, context: { problems } }: { at: Path; backends: Backends; context: TerminatorContext },
): Route | undefined {
  const kind = actionKind(input, at, problems);
  if (kind === undefined) return undefined;
  checkBelonging(input, kind, { at, problems });
  if (kind === 'passthrough' && input.automaticCertificate === true) {
    const message =
      'The backend shows its own certificate, so none is ordered for passthrough; leave automaticCertificate out.';
    problems.error([...at, 'automaticCertificate'], message);
  }
  const { path, methods, headers, http } = input;
  const action = readAction(input, kind, { at, backends, problems, name, path });
  if (action === undefined) return undefined;
  const requestHeaders = headerChanges(input.requestHeaders);
  const responseHeaders = headerChanges(input.responseHeaders);
  return {
    name,
    hosts: [...new Set(input.hosts)],
    path,
    ...(methods === undefined ? {} : { methods: [...new Set(methods)] }),
    ...(headers === undefined ? {} : { headers }),
    action,
    ...(requestHeaders === undefined ? {} : { requestHeaders }),
    ...(responseHeaders === undefined ? {} : { responseHeaders }),
    http,
  };
}

/** Names as written, and made of host and path for the others; each is there once. */
class RouteNames {
  readonly places = new Map<string, Path>();
  readonly #written: ReadonlySet<string>;
  /** The next number for names that are made of the same host and path. */
  readonly #counts = new Map<string, number>();

  constructor(written: readonly string[]) {
    this.#written = new Set(written);
  }

  take({ name, hosts, path }: Partial<RouteInput>, at: Path, { problems }: TerminatorContext): string {
    if (name === undefined) {
      const base = `${hosts?.[0] ?? ''}${path?.value ?? ''}`;
      let count = this.#counts.get(base) ?? 1;
      let free = count === 1 ? base : `${base} #${count}`;
      while (this.places.has(free) || this.#written.has(free)) free = `${base} #${(count += 1)}`;
      this.#counts.set(base, count + 1);
      this.places.set(free, at);
      return free;
    }
    const before = this.places.get(name);
    if (before === undefined) this.places.set(name, at);
    else problems.error([...at, 'name'], `${formatPath(before)} is already called ${name}; write another name.`);
    return name;
  }
}
