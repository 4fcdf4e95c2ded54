/** What the control plane knows, in the words of the contract. Fields are named one by one: nothing passes by accident (never §5.9). */
import { readChain, splitChain } from '../core/bundle.ts';
import type { CertificateView, ServedBy } from '../core/ports/control-view.ts';
import type { Failure } from '../core/records.ts';
import type { DeliveryStatus, Reason } from '../core/status.ts';
import type { CheckResult } from '../explain/check.ts';
import { assess } from '../explain/urgency.ts';
import type { Certificate, CertificateDetail } from './contract/certificates.ts';
import { rfc3339, rfc3339OrNull } from './time.ts';

export function presentCertificate(view: CertificateView, now: number): Certificate {
  const { status, current, next } = view;
  const { urgency, sentence } = assess(view, now);
  return {
    id: view.id,
    name: view.name,
    names: [...view.names],
    phase: { state: status.phase, reason: presentReason(status.phaseReason) },
    delivery: { state: status.delivery, reason: presentReason(status.deliveryReason) },
    managed: { state: status.managed, reason: presentReason(status.managedReason) },
    urgency,
    sentence,
    nextAction: next.action,
    nextActionAt: rfc3339OrNull(next.at),
    nextActionReason: presentReason(next.reason),
    renewAt: rfc3339OrNull(view.renewAt),
    notBefore: rfc3339OrNull(current?.notBefore),
    notAfter: rfc3339OrNull(current?.notAfter),
    serial: current?.serial ?? null,
    fingerprint256: current?.fingerprint256 ?? null,
    issuer: current?.issuerName ?? null,
    servedBy: view.servedBy.map((served) => presentServed(served, view)),
  };
}

export function presentDetail(view: CertificateView, checks: readonly CheckResult[], now: number): CertificateDetail {
  const { current, record, order } = view;
  return {
    ...presentCertificate(view, now),
    issuers: [...(record?.spec.issuers ?? [])],
    key: current?.keyAlgorithm ?? null,
    version: current?.number ?? null,
    chain: current === undefined ? [] : presentChain(current.chainPem),
    // Rebuilt from its CERTIFICATE blocks: whatever else a PEM text may hold stays here.
    chainPem: current === undefined ? null : splitChain(current.chainPem).join(''),
    outputs: view.deliveries.map(presentDelivery),
    progress:
      order === undefined
        ? null
        : {
            step: order.step,
            issuer: order.issuerName,
            startedAt: rfc3339(order.startedAt),
            waitUntil: rfc3339OrNull(order.waitUntil),
            reason: presentReason(order.reason),
          },
    failures: record?.failures ?? 0,
    lastFailure: record?.lastFailure === undefined ? null : presentFailure(record.lastFailure),
    checks: checks.map(presentCheck),
  };
}

export function presentCheck(result: CheckResult): CertificateDetail['checks'][number] {
  const { link, title, verdict, code, message, advice } = result;
  return { link, title, verdict, code, message, advice: advice ?? null };
}

function presentReason({ code, message }: Reason): Reason {
  return { code, message };
}

function presentServed(served: ServedBy, { current }: CertificateView): Certificate['servedBy'][number] {
  return {
    terminator: served.terminatorId,
    connected: served.connected,
    serial: served.serial,
    fingerprint256: served.fingerprint256,
    notAfter: rfc3339(served.notAfter),
    since: rfc3339(served.since),
    source: served.source,
    upToDate: current !== undefined && served.fingerprint256 === current.fingerprint256,
  };
}

function presentChain(chainPem: string): CertificateDetail['chain'] {
  return splitChain(chainPem).map((block) => {
    const facts = readChain(block);
    return {
      subject: oneLine(facts.subject),
      issuer: oneLine(facts.issuer),
      serial: facts.serial,
      notBefore: rfc3339(facts.notBefore),
      notAfter: rfc3339(facts.notAfter),
      fingerprint256: facts.fingerprint256,
      key: facts.keyAlgorithm,
    };
  });
}

function presentDelivery(delivery: DeliveryStatus): CertificateDetail['outputs'][number] {
  const number = Number(delivery.versionId?.slice(delivery.versionId.lastIndexOf('#') + 1));
  return {
    target: delivery.target,
    state: delivery.state,
    reason: presentReason(delivery.reason),
    at: rfc3339OrNull(delivery.at),
    version: Number.isSafeInteger(number) ? number : null,
  };
}

function presentFailure(failure: Failure): NonNullable<CertificateDetail['lastFailure']> {
  const { problem } = failure;
  return {
    code: failure.code,
    message: failure.message,
    at: rfc3339(failure.at),
    issuer: failure.issuer ?? null,
    problem:
      problem === undefined
        ? null
        : {
            type: problem.type,
            detail: problem.detail ?? null,
            subproblems: (problem.subproblems ?? []).map((one) => ({
              type: one.type,
              detail: one.detail ?? null,
              identifier: one.identifier?.value ?? null,
            })),
          },
  };
}

/** Node separates the parts of a distinguished name by newlines. */
function oneLine(name: string): string {
  return name.split('\n').join(', ');
}
