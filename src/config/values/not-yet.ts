/** What people look for and Certplane does not do yet (README, "Not there yet"). */
const solvers = 'names are proved over http-01 only; write http01: {}, or use a private issuer.';

const later: Readonly<Record<string, string>> = {
  alerting: 'leave it out; /metrics carries what alerts are made from.',
  alerts: 'leave it out; /metrics carries what alerts are made from.',
  ari: 'leave it out; renewals follow from the lifetime of each certificate.',
  dns01: solvers,
  ingress: 'Ingress resources are not read; write terminator: { routes: [] }.',
  ingresses: 'Ingress resources are not read; write terminator: { routes: [] }.',
  profile: 'leave it out; an ACME CA issues by its default profile.',
  tlsalpn01: solvers,
};

/** The end of a sentence that says what to write meanwhile. */
export function notYet(key: string): string | undefined {
  return Object.hasOwn(later, squash(key)) ? later[squash(key)] : undefined;
}

function squash(key: string): string {
  return key.toLowerCase().replaceAll(/[-_\s]/g, '');
}
