import type { CertificateDetail } from '../types.ts';
import { stepWord } from '../words/status.ts';
import { Icon } from './icon.tsx';
import { RelativeTime } from './time.tsx';

interface ProgressProps {
  readonly progress: NonNullable<CertificateDetail['progress']>;
}

/** The issuance under way. */
export function Progress({ progress: { step, issuer, startedAt, waitUntil, reason } }: ProgressProps) {
  return (
    <div className="progress">
      <Icon name="spinner" />
      <div>
        <p>
          <strong>{stepWord(step)}</strong> at {issuer}. {reason.message}
        </p>
        <p className="meta">
          <span>
            Started <RelativeTime at={startedAt} />
          </span>
          {waitUntil !== null && (
            <span>
              Next look <RelativeTime at={waitUntil} />
            </span>
          )}
        </p>
      </div>
    </div>
  );
}
