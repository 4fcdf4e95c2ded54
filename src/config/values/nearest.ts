/** The known word that somebody probably meant. */

/** What other programs call it. */
const elsewhere: Readonly<Record<string, string>> = {
  address: 'listen',
  bind: 'listen',
  cert: 'certificates',
  contact: 'email',
  deployhook: 'reloadCommand',
  dir: 'directory',
  domain: 'dnsNames',
  domains: 'dnsNames',
  duration: 'lifetime',
  eab: 'externalAccount',
  host: 'hosts',
  hostnames: 'hosts',
  issuer: 'issuers',
  names: 'dnsNames',
  posthook: 'reloadCommand',
  proxy: 'backend',
  proxypass: 'backend',
  reload: 'reloadCommand',
  sans: 'dnsNames',
  secret: 'kubernetesSecret',
  server: 'directory',
  upstream: 'backend',
  url: 'directory',
  validity: 'lifetime',
};

/** Undefined when nothing is close enough to be worth saying. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > 100) return undefined;
  const plain = squash(word);
  const alias = elsewhere[plain];
  if (alias !== undefined && known.includes(alias)) return alias;
  let best: { word: string; distance: number } | undefined;
  for (const candidate of known) {
    const distance = editDistance(plain, squash(candidate));
    if (best === undefined || distance < best.distance) best = { word: candidate, distance };
  }
  return best !== undefined && best.distance <= Math.max(1, Math.floor(plain.length / 3)) ? best.word : undefined;
}

function squash(word: string): string {
  return word.toLowerCase().replaceAll(/[-_\s]/g, '');
}

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    before = previous;
    previous = row;
  }
  return previous[b.length] ?? 0;
}
