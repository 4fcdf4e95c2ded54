/** Acknowledgements and reports within the bounds that control sets: one odd certificate must not keep all others untold. */
import { reportBounds, type Acknowledgement, type ServedEntry, type ServedReport } from '../../core/feed.ts';

export function fitAcknowledgement(acknowledgement: Acknowledgement): Acknowledgement {
  return {
    ...acknowledgement,
    refusals: acknowledgement.refusals.map((refusal) => ({ ...refusal, message: text(refusal.message) })),
  };
}

export function fitReport(report: ServedReport): ServedReport {
  return {
    ...report,
    served: report.served.map(fitEntry),
    problems: report.problems.slice(0, reportBounds.problems).map(({ subject, ...problem }) => ({
      ...problem,
      message: text(problem.message),
      ...(subject === undefined ? {} : { subject: text(subject) }),
    })),
    backends: report.backends?.map((one) => ({
      ...one,
      backend: cut(one.backend, reportBounds.id),
      endpoint: text(one.endpoint),
    })),
  };
}

function fitEntry(entry: ServedEntry): ServedEntry {
  const { names, serial, source } = entry;
  const short = names.length <= reportBounds.names && serial.length <= reportBounds.serial;
  if (short && source.length <= reportBounds.text) return entry;
  return {
    ...entry,
    names: names.slice(0, reportBounds.names),
    serial: cut(serial, reportBounds.serial),
    source: text(source),
  };
}

function text(value: string): string {
  return cut(value, reportBounds.text);
}

function cut(value: string, most: number): string {
  return value.length <= most ? value : `${value.slice(0, most - 1)}…`;
}
