/** never §5.1 at the output: after the restore of an older backup, what is there can be better than what is known here. */
import { CertplaneError } from '../core/errors.ts';
import { namesCover } from '../core/names.ts';
import type { HeldCertificate } from '../core/ports/output.ts';
import type { OutputState, VersionRecord } from '../core/records.ts';
import { timeText } from '../core/time-text.ts';

export interface Delivery {
  readonly held: HeldCertificate | undefined;
  readonly version: VersionRecord;
  readonly state: OutputState;
  /** The wanted ones. */
  readonly names: readonly string[];
  readonly now: number;
}

/**
 * Throws `output.newer-present` when the output holds a certificate that was issued after the version, ends after it, is
 * valid now and covers the wanted names. What was delivered from here before, and what was issued before the version
 * (a certificate that is handed over, a longer one that a changed specification replaces), gives way as usual.
 */
export function refuseOverNewer({ held, version, state, names, now }: Delivery): void {
  if (held === undefined || held.fingerprint256 === version.fingerprint256) return;
  if (held.fingerprint256 === state.fingerprint256) return;
  const usable = held.notBefore <= now && now < held.notAfter && names.every((name) => namesCover(held.names, name));
  const newer = held.notAfter > version.notAfter && (held.notBefore > version.notBefore || version.notAfter <= now);
  if (!usable || !newer) return;
  throw new CertplaneError(
    'output.newer-present',
    `A newer certificate is there (it ends ${timeText(held.notAfter)}, version ${version.number} ends ` +
      `${timeText(version.notAfter)}). It stays until Certplane has a better one; renew the certificate to take over.`,
  );
}
