/** Milliseconds since the epoch as the API writes them. */
export function rfc3339(at: number): string {
  return new Date(at).toISOString();
}

export function rfc3339OrNull(at: number | undefined): string | null {
  return at === undefined ? null : rfc3339(at);
}
