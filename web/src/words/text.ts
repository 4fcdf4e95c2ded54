/** `1 certificate`, `3 certificates`. */
export function count(amount: number, one: string, many = `${one}s`): string {
  return `${amount.toLocaleString('en-GB')} ${amount === 1 ? one : many}`;
}

/** The start of a serial or fingerprint, for columns. */
export function shortHex(hex: string): string {
  return hex.length <= 12 ? hex : `${hex.slice(0, 10)}…`;
}

/** `AB:CD:…`, as OpenSSL prints fingerprints. */
export function colonHex(hex: string): string {
  return hex.toUpperCase().replace(/(..)(?=.)/g, '$1:');
}

export function certificatePath(id: string): string {
  return `/certificates/${encodeURIComponent(id)}`;
}

/** What happened to one certificate. */
export function historyPath(id: string): string {
  return `/history?certificate=${encodeURIComponent(id)}`;
}

/** The certificates that an issuer's number counts. */
export function issuerPath(name: string): string {
  return `/certificates?issuer=${encodeURIComponent(name)}`;
}

/** The part of a distinguished name people read; the whole where there is no common name. */
export function commonName(distinguishedName: string): string {
  return /(?:^|[\n,])\s*CN=([^\n,]+)/.exec(distinguishedName)?.[1] ?? distinguishedName.replaceAll('\n', ', ');
}

/** The id in the path of a certificate's page; the encoded text itself where it cannot be decoded. */
export function certificateIdOf(path: string): string {
  const encoded = path.slice('/certificates/'.length).replace(/\/$/, '');
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}
