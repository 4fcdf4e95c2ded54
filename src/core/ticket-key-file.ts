/** Session ticket keys of a fleet in a file: 48 bytes in base64 on each line; empty lines and comments (#) between them. */

const keyBytes = 48;
/** A fleet needs the next, the present and the previous one; the list travels with each start of a worker. */
const mostKeys = 16;

export function ticketKeysIn(text: string): string[] {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '' && !line.startsWith('#'));
}

/** Undefined when nothing is. Says which key it is and never what stands there. */
export function wrongWithTicketKeys(text: string): string | undefined {
  const lines = ticketKeysIn(text);
  if (lines.length === 0) return 'There is no key in it.';
  if (lines.length > mostKeys) return `There are more than ${mostKeys} keys in it.`;
  const bad = lines.findIndex((line) => !/^[A-Za-z0-9+/]{64}$/.test(line));
  if (bad >= 0) return `Key number ${bad + 1} is not ${keyBytes} bytes in base64.`;
  return new Set(lines).size < lines.length ? 'A key stands in it twice.' : undefined;
}
