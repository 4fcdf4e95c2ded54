import type { Log } from '../core/ports/log.ts';
import { createLog, type LogLevel } from '../observe/log.ts';

const levels: ReadonlySet<string> = new Set(['debug', 'info', 'warn', 'error', 'silent']);

/** The log of one process: JSON lines, or readable ones on a terminal; `CERTPLANE_LOG` sets the level (default `info`). */
export function processLog(name: string): Log {
  const wanted = process.env['CERTPLANE_LOG'] ?? 'info';
  const pretty = process.stderr.isTTY;
  return createLog({
    level: (levels.has(wanted) ? wanted : 'info') as LogLevel,
    pretty,
    colour: pretty && process.env['NO_COLOR'] === undefined,
  }).child({ process: name });
}
