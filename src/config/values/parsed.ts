/** What reading one value gives: the value, or a sentence that says what to write instead. */
export type Parsed<T> = { readonly value: T } | { readonly problem: string };

export type Parser<T> = (value: unknown) => Parsed<T>;

const longestShown = 60;

/** How a value is called in a sentence: `"text"`, `12`, `a list`, `a mapping`. Never more than a few words. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value !== 'string') return `${value as number | boolean}`;
  return JSON.stringify(value.length > longestShown ? `${value.slice(0, longestShown)}…` : value);
}
