/** What to do about a problem, by its code; for a code without an entry the message itself says it. */
import type { ErrorCode } from '../core/errors.ts';

const adviceByCode: Partial<Record<ErrorCode, string>> = {
  'config.invalid': 'Run "certplane check" and correct the file; it is applied with "certplane reload".',
  'config.not-found': 'Put the file back, or start with --config.',
  'config.removal-held': 'If the removal is meant, run "certplane reload --accept-removal".',
  'process.control-unreachable': 'Start it with "certplane run" or "certplane control".',
  'config.restart-needed': 'Restart Certplane when it suits you.',
  'store.corrupt': 'Stop Certplane and put the latest backup in its place: "certplane restore FILE --force".',
  'store.locked': 'Only one control process may use a data directory; stop the other one, or use another directory.',
  'store.too-new': 'Run the version of Certplane that wrote the database, or restore a backup of the older one.',
  'store.unavailable': 'Free space in the data directory, or give the user that runs Certplane write permission.',
  'store.key-wrong': 'Point CERTPLANE_ENCRYPTION_KEY_FILE at the key this data directory was created with.',
  'store.key-missing': 'Point CERTPLANE_ENCRYPTION_KEY_FILE at the key this data directory was created with.',
  'issuer.unknown': 'Add the issuer to the configuration, or name another one in "issuers".',
  'issuer.unreachable': 'Check the network, DNS and proxy between this machine and the certificate authority.',
  'issuer.tls-untrusted': 'Set acme.caBundle to the PEM file of the root that signs the directory’s own certificate.',
  'issuer.timeout': 'Nothing, if it passes; otherwise check the network to the certificate authority.',
  'issuer.unsupported': 'Choose another issuer, or change the names, key or lifetime of the certificate.',
  'acme.rate-limited': 'Wait: it is tried again when the certificate authority allows it.',
  'acme.challenge-failed':
    'Make the name resolve to this machine and let http port 80 reach it from the internet; then renew by hand.',
  'acme.account-rejected':
    'Ask the certificate authority why. An issuer under another name in the configuration registers a new account with it.',
  'acme.terms-required': 'Do what the message of the certificate authority asks for; it is tried again by itself.',
  'challenge.no-solver':
    'Widen dnsNames or dnsZones of one of the issuer’s solvers, or add a solver. Wildcards need a private CA (ca: {}).',
  'challenge.terminator-absent':
    'Start the terminator ("certplane terminator", or "certplane run"): its http addresses answer the challenges.',
  'challenge.present-failed': 'Check that the terminator or the http01 listener can open its http address.',
  'certificate.removed': 'Put it back into the configuration if it is still needed.',
  'output.path-unusable': 'Make the path a directory this user may write, or choose another one.',
  'output.write-failed': 'Check free space and the permissions of the directory.',
  'output.owner-unknown': 'Create the user or group, or change the owner of the output.',
  'output.reload-failed': 'Run the reload command by hand and correct what it complains about.',
  'output.reload-timeout':
    'Run the reload command by hand and see where it hangs; raise reloadTimeout if it is only slow.',
  'output.newer-present':
    'Run "certplane renew" for this certificate: the new version takes its place. Nothing needs to be done in a hurry, what is there is good.',
  'output.not-owned': 'Choose another Secret name, or delete the Secret if nobody else needs it.',
  'kubernetes.unreachable': 'Check the kubeconfig and the network to the API server.',
  'kubernetes.forbidden': 'Grant the permission named in the message to the service account of Certplane.',
  'kubernetes.not-configured': 'Set kubernetes.kubeconfig, or run inside a cluster.',
  'terminator.address-in-use': 'Stop the program that uses the address, or change the listen address.',
  'terminator.address-forbidden': 'Use a port from 1024 up, or allow the user to open low ports.',
  'terminator.source-unreadable': 'Make the source readable again; what was served stays served meanwhile.',
  'terminator.source-shrunk':
    'If the removal is meant, run "certplane reload --accept-removal", or send SIGHUP to the terminator process; otherwise bring the source back.',
  'terminator.control-unreachable': 'Check that the control process runs with the same data directory.',
};

export function adviceFor(code: string): string | undefined {
  return Object.hasOwn(adviceByCode, code) ? adviceByCode[code as ErrorCode] : undefined;
}
