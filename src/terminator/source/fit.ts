/** Acknowledgements and reports within the bounds that control sets: one odd certificate must not keep all others untold. */
import {
  reportBounds,
  type Acknowledgement,
  type BackendReport,
  type Refusal,
  type ServedEntry,
  type ServedReport,
  type TerminatorProblem,
} from '../../core/feed.ts';

export function fitAcknowledgement(acknowledgement: Acknowledgement): Acknowledgement {
  return {
    ...acknowledgement,
    refusals: acknowledgement.refusals.map(fitRefusal),
  };
}

function fitRefusal(refusal: Refusal): Refusal {
  const { message } = refusal;
  return message.length <= reportBounds.text ? refusal : { ...refusal, message: text(message) };
}

export function fitReport(report: ServedReport): ServedReport {
  const { served, problems, backends } = report;
  return {
    ...report,
    served: served.map(fitEntry),
    problems: problems.slice(0, reportBounds.problems).map(fitProblem),
    backends: backends?.map(fitBackend),
  };
}

function fitProblem(problem: TerminatorProblem): TerminatorProblem {
  const { message, subject } = problem;
  const short = message.length <= reportBounds.text && (subject?.length ?? 0) <= reportBounds.text;
  return short ? problem : { ...problem, message: text(message), subject: subject && text(subject) };
}

function fitBackend(one: BackendReport): BackendReport {
  const short = one.backend.length <= reportBounds.id && one.endpoint.length <= reportBounds.text;
  return short ? one : { ...one, backend: cut(one.backend, reportBounds.id), endpoint: text(one.endpoint) };
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
