/** One pass for one certificate: what to do now, or what is waited for. Pure; no timers, no I/O. */
import type { Reason } from '../core/status.ts';
import { timeText } from '../core/time-text.ts';
import { judgeVersion } from '../state/adopt.ts';
import type { RegistryEntry } from '../state/registry.ts';
import type { Refused } from './budget.ts';
import { endOfWait } from './clock-steps.ts';
import { renewalPlan } from './renewal-time.ts';
import { digestOf, wantOf, type Want } from './wants.ts';

export interface Decision {
  /**
   * `none`: nothing until `at`. `wait`: something is wanted and `reason` holds it up until `at`. `issue`, `renew`: begin
   * an order with `issuer`. `step`: take the order's next step. `finish`: put a stored version in use. `abandon`: give
   * the order up and clean up after it.
   */
  readonly action: 'none' | 'wait' | 'issue' | 'renew' | 'step' | 'finish' | 'abandon';
  readonly reason: Reason;
  /** Milliseconds since the epoch; absent: now, or only after a change. */
  readonly at?: number | undefined;
  /** Why an issuance is wanted; with `wait`, `issue` and `renew`. */
  readonly want?: Reason | undefined;
  readonly issuer?: string | undefined;
}

export interface DecideInput {
  readonly now: number;
  readonly entry: RegistryEntry;
  /** Why an issuer may not be asked now; undefined when it may. */
  readonly refused: (issuer: string) => Refused | undefined;
  /** While the fleet brake holds this certificate: how many of how many want to be re-issued for a changed spec. */
  readonly brake?: { readonly wanting: number; readonly managed: number } | undefined;
  /** The last attempt to write what is to be kept failed. */
  readonly trouble?: Refused | undefined;
}

interface Facts extends DecideInput {
  readonly want: Want | undefined;
}

interface Check {
  readonly name: string;
  /** One line for people who read this list. */
  readonly reason: string;
  decide(facts: Facts): Decision | undefined;
}

const minute = 60_000;

/** The first check that decides, decides. */
export const checks: readonly Check[] = [
  { name: 'trouble', reason: 'What cannot be kept is not begun.', decide: inTrouble },
  { name: 'clean-up', reason: 'An order that is over is cleaned up after, also after a kill.', decide: cleanUp },
  { name: 'unfinished', reason: 'What a crash left half done is done first.', decide: unfinished },
  { name: 'removed', reason: 'What left the configuration is not renewed.', decide: removed },
  { name: 'order-outdated', reason: 'An order for what is no longer wanted is given up.', decide: orderOutdated },
  { name: 'stored', reason: 'A stored version comes into use when it may.', decide: storedVersion },
  { name: 'order-in-progress', reason: 'An order under way goes on; there is never a second one.', decide: inProgress },
  { name: 'not-due', reason: 'What is good and not due is left alone.', decide: notDue },
  { name: 'retry-waiting', reason: 'A failed attempt is not repeated before its time.', decide: retryWaiting },
  { name: 'brake', reason: 'A mass re-issue for changed specs is held.', decide: brakeHeld },
  { name: 'issuer', reason: 'An order begins with the first issuer that may be asked.', decide: begin },
];

export function decide(input: DecideInput): Decision {
  const facts: Facts = { ...input, want: wantOf(input.entry, input.now) };
  for (const check of checks) {
    const decision = check.decide(facts);
    if (decision !== undefined) return decision;
  }
  throw new Error('The last check always decides.');
}

function inTrouble({ trouble, now }: Facts): Decision | undefined {
  if (trouble === undefined || (trouble.at !== undefined && trouble.at <= now)) return undefined;
  return { action: 'wait', reason: trouble, at: trouble.at };
}

function cleanUp({ entry: { order } }: Facts): Decision | undefined {
  if (order?.abandoning !== true) return undefined;
  return { action: 'abandon', reason: { code: 'order-clean-up', message: 'What the last order left is cleaned up.' } };
}

function unfinished({ entry }: Facts): Decision | undefined {
  if (entry.unfinished !== true) return undefined;
  return { action: 'finish', reason: { code: 'unfinished', message: 'An issued version is being put in use.' } };
}

function removed({ entry: { record, order } }: Facts): Decision | undefined {
  if (record.removedAt === undefined) return undefined;
  const message = `It left the configuration ${timeText(record.removedAt)} and is not renewed any more.`;
  return { action: order === undefined ? 'none' : 'abandon', reason: { code: 'removed', message } };
}

function orderOutdated({ entry: { record, order } }: Facts): Decision | undefined {
  if (order === undefined) return undefined;
  const { spec } = record;
  if (order.digest === digestOf(spec) && spec.issuers.includes(order.issuerName)) return undefined;
  const message = 'The order under way is for a specification that changed since; it is given up.';
  return { action: 'abandon', reason: { code: 'order-outdated', message } };
}

function storedVersion({ entry, now }: Facts): Decision | undefined {
  const { stored } = entry;
  if (stored === undefined) return undefined;
  const verdict = judgeVersion(entry, stored, now);
  if (verdict.action !== 'hold') {
    return { action: 'finish', reason: { code: 'unfinished', message: 'A stored version is being put in use.' } };
  }
  const message = `Version ${stored.number} is valid from ${timeText(stored.notBefore)} and is held until then.`;
  return { action: 'none', reason: { code: 'certificate.not-yet-valid', message }, at: verdict.until };
}

function inProgress({ entry: { order }, now, refused }: Facts): Decision | undefined {
  if (order === undefined) return undefined;
  const { waitUntil, startedAt, issuerName, step } = order;
  const at = waitUntil === undefined ? now : endOfWait(order, { from: startedAt, until: waitUntil }, now);
  if (at > now) {
    const message = `The order with ${issuerName} waits until ${timeText(at)} for its next step (${step}).`;
    return { action: 'wait', reason: { code: 'order-waiting', message }, at, want: order.reason };
  }
  const obstacle = refused(issuerName);
  if (obstacle?.code === 'issuer-blocked') {
    return { action: 'wait', reason: obstacle, at: obstacle.at, want: order.reason };
  }
  const message = `The order with ${issuerName} is at its step ${step}.`;
  return { action: 'step', reason: { code: 'order-in-progress', message }, want: order.reason, issuer: issuerName };
}

function notDue({ entry: { record, current }, want }: Facts): Decision | undefined {
  if (want !== undefined || current === undefined) return undefined;
  const { at, message } = renewalPlan(record, current);
  return {
    action: 'none',
    reason: { code: 'not-due', message: `Its renewal is planned for ${timeText(at)}. ${message}` },
    at,
  };
}

function retryWaiting({ entry: { record }, now, want }: Facts): Decision | undefined {
  const { retryAt, lastFailure, failures } = record;
  if (retryAt === undefined) return undefined;
  const at =
    lastFailure === undefined ? retryAt : endOfWait(lastFailure, { from: lastFailure.at, until: retryAt }, now);
  if (at <= now) return undefined;
  const times = failures === 1 ? 'once' : `${failures} times in a row`;
  const message = `It failed ${times}; the next attempt is at ${timeText(at)}.`;
  return { action: 'wait', reason: { code: 'retry-waiting', message }, at, want: want?.reason };
}

function brakeHeld({ entry: { record, current }, brake, want }: Facts): Decision | undefined {
  if (brake === undefined || want?.bySpec !== true || current === undefined) return undefined;
  const { at } = renewalPlan(record, current);
  const message =
    `${brake.wanting} of ${brake.managed} certificates would be issued again because their specification changed, ` +
    `which is held as a possible accident. It takes the change when it is renewed, ${timeText(at)} at the latest, or when asked to.`;
  return { action: 'wait', reason: { code: 'brake-held', message }, at, want: want.reason };
}

/**
 * Each failure moves on to the next issuer in order of preference. One that may not be asked now is waited for when that
 * is short (1/8 of what is left of the certificate, a minute without one); otherwise the next one is taken.
 */
function begin({ entry: { record, current }, now, want, refused }: Facts): Decision {
  const { issuers } = record.spec;
  const left = current === undefined ? 0 : Math.max(0, current.notAfter - now);
  const patience = Math.max(minute, left / 8);
  const from = record.failures % issuers.length;
  let obstacle: Refused | undefined;
  for (const issuer of [...issuers.slice(from), ...issuers.slice(0, from)]) {
    const refusal = refused(issuer);
    if (refusal === undefined) {
      const reason = want?.reason ?? { code: 'does-not-exist', message: 'There is no certificate yet.' };
      return { action: current === undefined ? 'issue' : 'renew', reason, want: reason, issuer };
    }
    if ((obstacle?.at ?? Infinity) > (refusal.at ?? Infinity) || obstacle === undefined) obstacle = refusal;
    if (refusal.at !== undefined && refusal.at - now <= patience) break;
  }
  const reason = obstacle ?? { code: 'issuer.unknown', message: 'It names no issuer.' };
  return { action: 'wait', reason, at: obstacle?.at, want: want?.reason };
}
