import { CertplaneError } from '../core/errors.ts';
import type { Clock } from '../core/ports/clock.ts';
import type { Log } from '../core/ports/log.ts';
import type { HistoryEntry, VersionRecord } from '../core/records.ts';
import { timeText } from '../core/time-text.ts';
import { certificateKey, feedItem, isUnfinished, judgeVersion, recordAfter } from './adopt.ts';
import { dropChallenges } from './challenges.ts';
import type { Feed } from './feed.ts';
import { surplusVersions } from './registry-load.ts';
import type { Row, Rows } from './rows.ts';
import { announce } from './steps.ts';

/** So many versions of a certificate are kept, the one in use among them. */
export const keptVersions = 5;

export type Note = Omit<HistoryEntry, 'id' | 'at'>;

interface FinishDeps {
  readonly rows: Rows;
  readonly feed: Feed;
  readonly clock: Clock;
  readonly log: Log;
  readonly note: (entry: Note, signal: AbortSignal) => Promise<void>;
}

/**
 * Everything between a stored version and its being served, in an order in which a crash at any point is made good by
 * doing it again: certificate record, order, feed, old versions.
 */
export function createFinish(deps: FinishDeps): (row: Row, signal: AbortSignal) => Promise<void> {
  const { rows, feed } = deps;
  return async (row, signal) => {
    const id = row.entry.record.id;
    const published = (): unknown => feed.item(certificateKey(id));
    try {
      const { stored } = row.entry;
      if (stored !== undefined) await decideOn(stored, row, deps, signal);
      const { order, current, stored: waiting } = row.entry;
      const latest = Math.max(current?.number ?? 0, waiting?.number ?? 0);
      const over = order?.versionNumber !== undefined && order.versionNumber <= latest;
      if (over && order.abandoning !== true) {
        await dropChallenges(feed, order, signal);
        await rows.deleteOrder(row, signal);
      }
      if (current !== undefined) await feed.publish(feedItem(current), signal);
      if (over) announce(id, 'finished');
      for (const version of surplusVersions(row, keptVersions)) await rows.deleteVersion(row, version, signal);
    } finally {
      row.entry = { ...row.entry, unfinished: isUnfinished(row.entry, published()) };
    }
  };
}

async function decideOn(version: VersionRecord, row: Row, deps: FinishDeps, signal: AbortSignal): Promise<void> {
  const { rows, clock, note, log } = deps;
  const { record } = row.entry;
  const verdict = judgeVersion(row.entry, version, clock.now());
  const about = { certificateId: record.id, actor: 'scheduler', details: { version: version.id } };
  const until = timeText(version.notAfter);
  if (verdict.action === 'use') {
    await rows.putRecord(row, recordAfter(record, version, true), signal);
    row.entry = { ...row.entry, current: version, stored: undefined, unfinished: true };
    announce(record.id, 'in-use');
    log.info('A new version is in use.', { certificate: record.id, version: version.id, until });
    const message = `Version ${version.number} by ${version.issuerName} is in use; it ends ${until}.`;
    await note({ kind: 'issued', code: 'issued', message, ...about }, signal);
  } else if (verdict.action === 'hold') {
    if (record.nextNumber > version.number) return;
    await rows.putRecord(row, recordAfter(record, version, false), signal);
    const message = `Version ${version.number} by ${version.issuerName}: ${verdict.message}`;
    await note({ kind: 'issued', code: 'certificate.not-yet-valid', message, ...about }, signal);
  } else {
    const { code, message } = new CertplaneError('certificate.worse', verdict.message);
    await rows.putRecord(row, { ...record, nextNumber: Math.max(record.nextNumber, version.number + 1) }, signal);
    await rows.deleteVersion(row, version.id, signal);
    row.entry = { ...row.entry, stored: undefined };
    await note({ kind: 'failed', code, message, ...about }, signal);
  }
}
