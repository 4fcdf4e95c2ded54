import type { CertificateDetail } from '../types.ts';
import { count } from '../words/text.ts';
import { Card } from './card.tsx';
import { BothTimes } from './time.tsx';

interface LastFailureProps {
  readonly failure: NonNullable<CertificateDetail['lastFailure']>;
  readonly failures: number;
}

/** The latest failed attempt, with the CA's own words. */
export function LastFailure({ failure, failures }: LastFailureProps) {
  const { code, message, at, issuer, problem } = failure;
  return (
    <Card
      title="Last failure"
      aside={failures > 0 && <span className="quiet">{count(failures, 'failed attempt')} in a row</span>}
    >
      <div className="failure">
        <p className="server-text">{message}</p>
        <p className="meta">
          <code className="code">{code}</code>
          {issuer !== null && <span>{issuer}</span>}
          <BothTimes at={at} />
        </p>
        {problem !== null && (
          <figure className="problem-document">
            <figcaption>What the certificate authority said</figcaption>
            <p>{problem.detail ?? 'It gave no details.'}</p>
            <code className="problem-type">{problem.type}</code>
            {problem.subproblems.length > 0 && (
              <ul>
                {problem.subproblems.map((sub) => (
                  <li key={`${sub.type} ${sub.identifier} ${sub.detail}`}>
                    {sub.identifier !== null && <strong>{sub.identifier}: </strong>}
                    {sub.detail ?? 'no details'} <code className="problem-type">{sub.type}</code>
                  </li>
                ))}
              </ul>
            )}
          </figure>
        )}
      </div>
    </Card>
  );
}
