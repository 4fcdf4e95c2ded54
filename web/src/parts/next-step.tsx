import type { CertificateDetail } from '../types.ts';
import { actionWord } from '../words/status.ts';
import { Card } from './card.tsx';
import { AbsoluteTime, RelativeTime } from './time.tsx';

type NextStepProps = {
  readonly certificate: Pick<CertificateDetail, 'nextAction' | 'nextActionAt' | 'nextActionReason'>;
};

/** What happens next by itself. */
export function NextStep({ certificate: { nextAction, nextActionAt, nextActionReason } }: NextStepProps) {
  return (
    <Card title="Next">
      <div className="next">
        <p className="next-action">
          {actionWord(nextAction)}{' '}
          {nextActionAt !== null && (
            <strong>
              <RelativeTime at={nextActionAt} />
            </strong>
          )}
        </p>
        {nextActionAt !== null && (
          <p className="quiet">
            <AbsoluteTime at={nextActionAt} />
          </p>
        )}
        <p className="server-text">{nextActionReason.message}</p>
      </div>
    </Card>
  );
}
