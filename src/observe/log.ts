/** The log: pino's JSON lines, or one readable line per event on a terminal. Secrets never reach either. */
import { destination as fileDestination, pino, stdTimeFunctions, type Logger } from 'pino';
import type { Log, LogFields } from '../core/ports/log.ts';
import { scrubText } from '../core/scrub-text.ts';
import { formatLine } from './pretty.ts';
import { scrub } from './scrub.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LogOptions {
  readonly level: LogLevel;
  /** One readable line per event instead of JSON. */
  readonly pretty?: boolean | undefined;
  /** Colour in readable lines. */
  readonly colour?: boolean | undefined;
  /** Gets whole lines; the default is standard error, written synchronously so that a crash loses nothing. */
  readonly destination?: { write(line: string): unknown } | undefined;
}

export function createLog(options: LogOptions): Log {
  const { level, pretty = false, colour = false } = options;
  const sink = options.destination ?? fileDestination({ fd: 2, sync: true });
  const write = (line: string): unknown => sink.write(pretty ? formatLine(line, { colour }) : line);
  const logger = pino(
    {
      level,
      base: null,
      messageKey: 'message',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => void write(line) },
  );
  return wrap(logger);
}

function wrap(logger: Logger): Log {
  const at =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (message: string, fields?: LogFields): void => {
      // Scrubbing costs; a line nobody will see must not pay for it.
      if (logger.isLevelEnabled(level)) logger[level](cleanFields(fields), scrubText(message));
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => wrap(logger.child(cleanFields(fields))),
  };
}

/** Fields that would fight with the line's own names get an underscore. */
const ownNames = new Set(['level', 'time', 'message']);

function cleanFields(fields: LogFields | undefined): Record<string, unknown> {
  const clean = (scrub(fields ?? {}) ?? {}) as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(clean).map(([name, value]) => [ownNames.has(name) ? `${name}_` : name, value]),
  );
}
