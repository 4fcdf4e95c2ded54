/** One log line as a person reads it: time, level, sentence, fields. */

const marks: Readonly<Record<string, { label: string; colour: number }>> = {
  debug: { label: 'debug', colour: 90 },
  info: { label: 'info ', colour: 36 },
  warn: { label: 'warn ', colour: 33 },
  error: { label: 'error', colour: 31 },
};

/** `line` is one JSON line of the log; what does not parse comes back as it is. */
export function formatLine(line: string, { colour }: { colour: boolean }): string {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const { level, time, message, ...rest } = fields;
  const mark = marks[String(level)] ?? { label: String(level), colour: 0 };
  const paint = (text: string, code: number): string => (colour ? `\u001B[${code}m${text}\u001B[0m` : text);
  const clockTime = String(time).slice(11, 19);
  const details = Object.entries(rest).map(([name, value]) => paint(`${name}=`, 90) + show(value));
  return `${[paint(clockTime, 90), paint(mark.label, mark.colour), oneLine(String(message)), ...details].join(' ')}\n`;
}

function show(value: unknown): string {
  if (typeof value === 'string') return /^[\w./:#*@-]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value);
}

/** Text from outside must not draw lines or move the cursor of somebody's terminal. */
function oneLine(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001F\u007F-\u009F]+/g, ' ');
}
