let second = -1;
let text = '';

/** Now as IMF-fixdate (RFC 9110 §5.6.7); written anew once a second. */
export function httpDate(): string {
  const now = Math.trunc(Date.now() / 1000);
  if (now !== second) {
    second = now;
    text = new Date(now * 1000).toUTCString();
  }
  return text;
}
