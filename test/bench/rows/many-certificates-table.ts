/** What the rows about many certificates are called, aim at and say. */
import { aim, bytes, millis, type Detail, type Row, type Target } from '../row.ts';
import { fitLine, median } from '../statistics.ts';
import type { Memory } from '../usage.ts';

/** The size at which peers are compared with us at `many`. */
export const compared = 5000;
export const many = 100_000;
export const inUse = 1000;

export const start = 'start until the first handshake is served, we with 100,000 certificates';
export const resident = 'resident memory of a worker with 100,000 certificates, 1,000 of them in use';
export const cold = 'first handshake for a certificate not in memory, beyond a warm one (p99)';
export const startTargets: readonly Target[] = [
  { text: 'faster than nginx at 5,000', atMost: 1, peer: 'nginx' },
  { text: 'faster than HAProxy at 5,000', atMost: 1, peer: 'HAProxy' },
];
export const residentTarget: Target = { text: "at most nginx's at 5,000", atMost: 1, peer: 'nginx' };
export const coldTarget: Target = { text: 'at most 3 ms', atMost: 3 };

/** By number of certificates. */
export type Times = Map<number, number>;

export interface Differences {
  readonly coldMs: readonly number[];
  readonly warmMs: readonly number[];
  /** When 1,000 are in use. */
  readonly memory: Memory;
}

function fitted(times: Times): string {
  const { base, each } = fitLine([...times]);
  return `${millis(base)} + ${millis(each)} per certificate`;
}

export function startRow(ours: Times, intake: number, peers: Map<string, Times>, missing: Map<string, string>): Row {
  const own = ours.get(many) ?? Number.NaN;
  const theirs: Record<string, string> = Object.fromEntries(missing);
  const ratios: Record<string, number> = {};
  const details: Detail[] = [];
  for (const [server, times] of [['certplane', ours], ...peers] as const)
    for (const [count, ms] of times) details.push({ server: `${server}, ${count} certificates`, figure: millis(ms) });
  for (const [peer, times] of peers) {
    const ms = times.get(compared);
    if (ms === undefined) continue;
    theirs[peer] = `${millis(ms)} at 5,000 (fit ${fitted(times)})`;
    ratios[peer] = own / ms;
  }
  return {
    work: start,
    ours: `${millis(own)} (fit ${fitted(ours)})`,
    theirs,
    ratios,
    aims: startTargets.map((target) => aim(target, ratios[target.peer ?? ''])),
    details,
    notes: [
      'The better of two starts per size. Ours is a restart over the last-good copy, the name asked for is the one announced last.',
      `Certificates that are new to it reach the terminator from control at ${millis(intake)} each, while it serves.`,
    ],
  };
}

export function residentRow(
  { rssBytes, pssBytes }: Differences['memory'],
  nginxBytes: number | undefined,
  missing: Map<string, string>,
): Row {
  const known = nginxBytes !== undefined && !Number.isNaN(nginxBytes);
  const ratio = known ? rssBytes / nginxBytes : undefined;
  return {
    work: resident,
    ours: bytes(rssBytes),
    theirs: known ? { nginx: `${bytes(nginxBytes)} at 5,000` } : Object.fromEntries(missing),
    ratios: ratio === undefined ? {} : { nginx: ratio },
    aims: [aim(residentTarget, ratio)],
    details: [{ server: 'certplane', figure: `${bytes(rssBytes)} RSS, ${bytes(pssBytes)} PSS` }],
    notes: ['RSS of the worker; the pages of the program itself are in it, on both sides.'],
  };
}

export function coldRow({ coldMs, warmMs }: Differences): Row {
  const more = median(coldMs.map((ms, round) => ms - (warmMs[round] ?? Number.NaN)));
  return {
    work: cold,
    ours: `${millis(Math.max(0, more))} more`,
    theirs: {},
    ratios: {},
    aims: [aim(coldTarget, Math.max(0, more))],
    details: [
      { server: 'certplane, cold', figure: `${coldMs.length} × ${inUse}`, p99Ms: median(coldMs) },
      { server: 'certplane, warm', figure: `${warmMs.length} × ${inUse}`, p99Ms: median(warmMs) },
    ],
    notes: ['One client, one handshake and one request after the other.'],
  };
}
