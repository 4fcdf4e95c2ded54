import { Link } from 'wouter';
import { Card, Fact, Facts } from '../parts/card.tsx';
import { Copy } from '../parts/copy.tsx';
import { Download } from '../parts/download.tsx';
import { Empty, NoticeBox } from '../parts/notice.tsx';
import { AbsoluteTime, RelativeTime } from '../parts/time.tsx';
import type { Issuer } from '../types.ts';
import { count, issuerPath } from '../words/text.ts';

const kinds = { acme: 'ACME', ca: 'Private CA', selfSigned: 'Self-signed' } as const;

export function IssuersView({ issuers }: { readonly issuers: readonly Issuer[] }) {
  if (issuers.length === 0) {
    return (
      <div className="card">
        <Empty title="There are no issuers." />
      </div>
    );
  }
  return (
    <div className="tiles">
      {issuers.map((issuer) => (
        <IssuerCard key={issuer.name} issuer={issuer} />
      ))}
    </div>
  );
}

function IssuerCard({ issuer }: { readonly issuer: Issuer }) {
  const { name, kind, directory, account, termsOfService, rootPem, certificates, problem } = issuer;
  return (
    <Card title={name} aside={<span className="kind">{kinds[kind]}</span>}>
      {problem !== null && (
        <NoticeBox tone="warn" icon="alert">
          {problem.message} <code className="code">{problem.code}</code>
          {problem.until !== null && (
            <>
              {' '}
              Until <AbsoluteTime at={problem.until} /> (<RelativeTime at={problem.until} />
              ).
            </>
          )}
        </NoticeBox>
      )}
      <Facts>
        <Fact name="Certificates">
          <Link href={issuerPath(name)}>{count(certificates, 'certificate')}</Link>
        </Fact>
        {directory !== null && <Fact name="Directory">{directory}</Fact>}
        {kind === 'acme' && <Fact name="Account">{account ?? 'not registered yet'}</Fact>}
        {termsOfService !== null && <Fact name="Terms accepted">{termsOfService}</Fact>}
      </Facts>
      {rootPem !== null && (
        <div className="card-actions">
          <Download text={rootPem} fileName={`${name}-root.pem`} label="Download root" />
          <Copy text={rootPem} what="root" label="Copy PEM" />
        </div>
      )}
    </Card>
  );
}
