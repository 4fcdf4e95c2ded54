/** `2026-03-01 10:00:05 UTC`: a point in time inside a sentence. */
export function timeText(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
