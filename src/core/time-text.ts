/** `2026-03-01 10:00:05 UTC`: a point in time inside a sentence. */
export function timeText(at: number): string {
  const date = new Date(at);
  // A damaged record must not keep its own error message from being written.
  if (Number.isNaN(date.getTime())) return 'an unknown time';
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
