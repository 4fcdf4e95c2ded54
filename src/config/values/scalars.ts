/** Text, numbers, switches and choices. */
import { describeValue, type Parsed, type Parser } from './parsed.ts';

// oxlint-disable-next-line no-control-regex -- exactly these must not stand in a name or a path
const control = /[\u0000-\u0008\u000b-\u001f\u007f]/;

export interface TextRules {
  readonly maxLength: number;
  /** The whole text must match. */
  readonly pattern?: RegExp;
  /** How the right form is described: "letters, digits and dashes". */
  readonly form?: string;
  readonly example: string;
}

export function text({ maxLength, pattern, form, example }: TextRules): Parser<string> {
  return (value): Parsed<string> => {
    if (typeof value === 'number' || typeof value === 'boolean') {
      return { problem: `${describeValue(value)} is not text; put it in quotes: "${value}".` };
    }
    if (typeof value !== 'string')
      return { problem: `This must be text, not ${describeValue(value)}; write ${example}.` };
    if (value.length > maxLength) return { problem: `The text is longer than ${maxLength} characters; shorten it.` };
    if (control.test(value))
      return { problem: `The text has a control character in it; write for example ${example}.` };
    if (pattern !== undefined && !pattern.test(value)) {
      return {
        problem: `${describeValue(value)} does not have the expected form: ${form ?? example}; write for example ${example}.`,
      };
    }
    return { value };
  };
}

export function integer(min: number, max: number): Parser<number> {
  return (value): Parsed<number> => {
    const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
    return typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max
      ? { value: number }
      : { problem: `${describeValue(value)} is not a whole number from ${min} to ${max}.` };
  };
}

/** Above 0, at most 1. */
export const share: Parser<number> = (value): Parsed<number> => {
  if (typeof value === 'number' && value > 0 && value <= 1) return { value };
  const percent = typeof value === 'string' ? /^(\d{1,3}(?:\.\d+)?)\s*%$/.exec(value.trim())?.[1] : undefined;
  const instead = percent === undefined ? 'for example 0.1' : String(Number(percent) / 100);
  return { problem: `${describeValue(value)} is not a share above 0 and up to 1; write ${instead}.` };
};

export const boolean: Parser<boolean> = (value) =>
  typeof value === 'boolean' ? { value } : { problem: `${describeValue(value)} is not a switch; write true or false.` };

export function oneOf<const T extends string>(choices: readonly T[]): Parser<T> {
  return (value): Parsed<T> => {
    const found = choices.find((choice) => choice === value);
    if (found !== undefined) return { value: found };
    const close = choices.find((choice) => typeof value === 'string' && choice === value.toLowerCase());
    const instead = close ?? choices.join(' or ');
    return { problem: `${describeValue(value)} is not known here; write ${instead}.` };
  };
}

/** A path as written; `~` and relative ones are resolved against the file later. */
export const path: Parser<string> = (value) => {
  if (typeof value !== 'string' || value.trim() === '') {
    return { problem: `${describeValue(value)} is not a path; write for example ./live/shop or /etc/certs.` };
  }
  if (control.test(value) || value.length > 4096)
    return { problem: 'The path is too long or has a control character in it.' };
  if (value.startsWith('~') && value !== '~' && !value.startsWith('~/')) {
    return { problem: `Only ~/ is expanded; write the full path instead of ${describeValue(value)}.` };
  }
  const variable = /\$\{(\w+)\}|\$HOME\b/.exec(value);
  if (variable !== null) {
    const instead = variable[1] === undefined || variable[1] === 'HOME' ? 'write ~/…' : 'write the path itself';
    return { problem: `Variables stand for secrets only, and ${describeValue(value)} is a path; ${instead}.` };
  }
  return { value };
};

/** A program and its arguments, run without a shell. */
export const command: Parser<readonly string[]> = (value) => {
  if (typeof value === 'string') {
    const words = value.trim().split(/\s+/).join(', ');
    const instead = words !== '' && words.length <= 100 ? words : 'nginx, -s, reload';
    return { problem: `A command is a list, because no shell runs it; write [${instead}].` };
  }
  if (!Array.isArray(value) || value.length === 0 || value.length > 256) {
    const found = Array.isArray(value) ? `a list of ${value.length}` : describeValue(value);
    return { problem: `A command is a list of 1 to 256 words, not ${found}; write [nginx, -s, reload].` };
  }
  const words: string[] = [];
  for (const word of value as readonly unknown[]) {
    if (typeof word !== 'string' && typeof word !== 'number') {
      return { problem: `Each word of a command is text, not ${describeValue(word)}; write [nginx, -s, reload].` };
    }
    if (String(word).includes('\0')) return { problem: 'A word of a command cannot have a NUL character in it.' };
    words.push(String(word));
  }
  return words[0] === '' ? { problem: 'The program is empty; write [nginx, -s, reload].' } : { value: words };
};

/** A user or group: a name or a number. */
export const account: Parser<string> = (value) =>
  (typeof value === 'number' && Number.isInteger(value) && value >= 0) ||
  (typeof value === 'string' && /^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}\$?$/.test(value))
    ? { value: String(value) }
    : { problem: `${describeValue(value)} is neither a name nor a number of a user or group; write www-data or 33.` };
