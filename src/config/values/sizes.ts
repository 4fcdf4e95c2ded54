/** Sizes as options take them: `512B`, `32KiB`, `10MiB`, `1GiB`. */
import { describeValue, type Parsed, type Parser } from './parsed.ts';

const unitBytes = { b: 1, kib: 1_024, mib: 1_048_576, gib: 1_073_741_824 } as const;
const names = { b: 'B', kib: 'KiB', mib: 'MiB', gib: 'GiB' } as const;
type Unit = keyof typeof unitBytes;

/** Bytes; undefined when the text is no size. */
function parseSize(text: string): number | undefined {
  const match = /^(\d{1,12})(B|KiB|MiB|GiB)$/.exec(text);
  if (match === null) return undefined;
  const bytes = Number(match[1]) * unitBytes[match[2]?.toLowerCase() as Unit];
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Bytes, as the file would write them: the largest unit that leaves no fraction. */
export function formatSize(bytes: number): string {
  if (bytes === 0) return '0';
  const unit = (['gib', 'mib', 'kib'] as const).find((one) => bytes % unitBytes[one] === 0) ?? 'b';
  return `${bytes / unitBytes[unit]}${names[unit]}`;
}

/** Bytes. With `zero`, 0 is taken too, and means whatever the option says. */
export function size(min: number, max: number, { zero = false }: { zero?: boolean } = {}): Parser<number> {
  return (value): Parsed<number> => {
    if (zero && (value === 0 || value === '0')) return { value: 0 };
    if (typeof value === 'number' && Number.isInteger(value) && value > 0) {
      return { problem: `The size ${value} has no unit; write ${value}B, ${value}KiB or ${value}MiB.` };
    }
    const bytes = typeof value === 'string' ? parseSize(value) : undefined;
    if (bytes === undefined) {
      const instead = typeof value === 'string' ? canonicalSize(value) : undefined;
      return { problem: `${describeValue(value)} is not a size; write ${instead ?? 'for example 32KiB or 10MiB'}.` };
    }
    if (bytes >= min && bytes <= max) return { value: bytes };
    const bounds = `from ${formatSize(min)} to ${formatSize(max)}${zero ? ', or 0' : ''}`;
    return { problem: `The size ${describeValue(value)} is out of range; write one ${bounds}.` };
  };
}

/** The form this program takes, for forms that people know from elsewhere: `10m`, `10 MB`, `32Ki`, `1 gib`. */
export function canonicalSize(text: string): string | undefined {
  const match = /^(\d{1,12})([kmg]?)i?b?$/.exec(text.trim().toLowerCase().slice(0, 40).replaceAll(/\s/g, ''));
  if (match === null) return undefined;
  const [, amount = '', letter = ''] = match;
  const candidate = `${Number(amount)}${letter === '' ? 'B' : names[`${letter}ib` as Unit]}`;
  return parseSize(candidate) === undefined ? undefined : candidate;
}
