import type { CertificateDetail } from '../types.ts';
import { useTicking } from '../words/clock.ts';
import { certificateLook } from '../words/status.ts';
import { AbsoluteTime, RelativeTime } from './time.tsx';

interface ValidityBarProps {
  readonly certificate: Pick<
    CertificateDetail,
    'notBefore' | 'notAfter' | 'renewAt' | 'urgency' | 'phase' | 'delivery'
  >;
}

/** From notBefore to notAfter: what is used up, when it renews, where now is. */
export function ValidityBar({ certificate }: ValidityBarProps) {
  const { notBefore, notAfter, renewAt } = certificate;
  const from = Date.parse(notBefore ?? '');
  const to = Date.parse(notAfter ?? '');
  const share = (at: number) => Math.round(Math.max(0, Math.min(1, (at - from) / (to - from))) * 10_000) / 100;
  const now = useTicking((at) => share(at));
  const renewalWord = useTicking((at) => (Date.parse(renewAt ?? '') < at ? 'Renewal was due' : 'Renewal due'));
  const endWord = useTicking((at) => (to < at ? 'Expired' : 'Expires'));
  if (notBefore === null || notAfter === null) return null;
  const renew = renewAt === null ? undefined : share(Date.parse(renewAt));

  return (
    <section className="card validity" aria-label="Validity" data-tone={certificateLook(certificate).tone}>
      {renewAt !== null && renew !== undefined && (
        <div className="validity-row">
          <p className="validity-label" style={beside(renew)}>
            {renewalWord} <RelativeTime at={renewAt} />
          </p>
        </div>
      )}
      <div className="validity-bar" aria-hidden="true">
        <span className="validity-used" style={{ width: `${now}%` }} />
        {renew !== undefined && <span className="validity-rest" style={{ left: `${renew}%` }} />}
        {renew !== undefined && <span className="validity-renew" style={{ left: `${renew}%` }} />}
        <span className="validity-now" style={{ left: `${now}%` }} />
      </div>
      <div className="validity-row" aria-hidden="true">
        <p className="validity-label validity-label-now" style={beside(now)}>
          now
        </p>
      </div>
      <div className="validity-ends">
        <p>
          <span className="quiet">Valid from</span> <AbsoluteTime at={notBefore} />
        </p>
        <p>
          <span className="quiet">{endWord}</span> <AbsoluteTime at={notAfter} />{' '}
          <span className="quiet">
            (<RelativeTime at={notAfter} />)
          </span>
        </p>
      </div>
    </section>
  );
}

/** Beside its mark and never past an end of the bar. */
function beside(percent: number) {
  return { left: `${percent}%`, transform: `translateX(-${percent}%)` };
}
