import type { CertificateDetail } from '../types.ts';
import { verdictLooks } from '../words/status.ts';
import { Icon } from './icon.tsx';
import { Empty } from './notice.tsx';

/** The ordered checks from configuration to what is served; the first that is not ok answers "why". */
export function ReasonChain({ checks }: { readonly checks: CertificateDetail['checks'] }) {
  if (checks.length === 0) return <Empty title="Nothing was checked." />;
  const answer = checks.findIndex(({ verdict }) => verdict === 'problem' || verdict === 'waiting');
  return (
    <ol className="chain">
      {checks.map((check, index) => {
        const look = verdictLooks[check.verdict];
        return (
          <li
            key={`${check.link} ${check.title}`}
            className="link"
            data-tone={look.tone}
            data-answer={index === answer}
          >
            <Icon name={look.icon} />
            <div className="link-text">
              <p className="link-head">
                <span className="link-title">{check.title}</span>
                <span className="hidden">: {look.label}</span>
                <span className="link-name">{check.link}</span>
              </p>
              <p className="link-message server-text">{check.message}</p>
              {check.advice !== null && (
                <p className="link-advice">
                  <Icon name="arrow" />
                  {check.advice}
                </p>
              )}
            </div>
          </li>
        );
      })}
    </ol>
  );
}
