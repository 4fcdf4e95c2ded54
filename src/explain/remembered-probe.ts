import type { Clock } from '../core/ports/clock.ts';
import type { Probe, ProbeResult } from './probe.ts';

/** Short enough that nobody takes it for the state of an hour ago, long enough for a page that is looked at. */
export const rememberedMs = 3_000;
const mostRemembered = 1_000;

/** The same probe, which does not ask again what it asked a moment ago. Only what came to an end is remembered. */
export function rememberedProbe(
  probe: Probe,
  clock: Clock,
): (...asked: [...Parameters<Probe>, string]) => Promise<ProbeResult> {
  const known = new Map<string, { readonly at: number; readonly result: ProbeResult }>();
  return async (target, signal, expected) => {
    // What is expected belongs to it: a new version is looked for at once.
    const key = JSON.stringify([target.host, target.port, target.servername, expected]);
    const now = clock.now();
    const found = known.get(key);
    if (found !== undefined && found.at <= now && now - found.at < rememberedMs) return found.result;
    const result = await probe(target, signal);
    known.delete(key);
    known.set(key, { at: clock.now(), result });
    if (known.size > mostRemembered) known.delete(known.keys().next().value as string);
    return result;
  };
}
