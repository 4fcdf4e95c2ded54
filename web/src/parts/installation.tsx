import type { UseQueryResult } from '@tanstack/react-query';
import { Link } from 'wouter';
import type { Issuer, Notice, Terminator } from '../types.ts';
import { count, issuerPath } from '../words/text.ts';
import { Card } from './card.tsx';
import { Icon } from './icon.tsx';
import { Empty } from './notice.tsx';
import { NoticeRow } from './notice-list.tsx';
import { RelativeTime } from './time.tsx';

interface InstallationProps {
  readonly problems: readonly Notice[];
  readonly issuers: UseQueryResult<Issuer[]>;
  readonly terminators: UseQueryResult<Terminator[]>;
}

/** What is wrong beyond single certificates: an issuer that is away explains a whole list of failures. */
export function Installation({ problems, issuers, terminators }: InstallationProps) {
  const troubled = (issuers.data ?? []).filter(({ problem }) => problem !== null);
  const known = new Set(problems.map(keyOf));
  const ofTerminators = (terminators.data ?? []).flatMap((terminator) =>
    terminator.problems
      .filter((notice) => !known.has(keyOf(notice)))
      .map((notice) =>
        Object.assign({}, notice, { subject: [terminator.id, notice.subject].filter(Boolean).join(': ') }),
      ),
  );
  const notices = [...problems, ...ofTerminators];
  return (
    <Card title="Installation">
      {troubled.length + notices.length === 0 ? (
        <Empty title="No problems." />
      ) : (
        <ul className="rows">
          {troubled.map((issuer) => (
            <TroubledIssuer key={issuer.name} issuer={issuer} />
          ))}
          {notices.map((notice) => (
            <NoticeRow key={keyOf(notice)} notice={notice} />
          ))}
        </ul>
      )}
    </Card>
  );
}

function TroubledIssuer({ issuer: { name, problem, certificates } }: { readonly issuer: Issuer }) {
  if (problem === null) return null;
  return (
    <li className="row problem">
      <Icon name="alert" />
      <div>
        <p>
          <Link href="/issuers" className="strong">
            {name}
          </Link>
          : {problem.message}
        </p>
        <p className="meta">
          <Link href={issuerPath(name)}>{count(certificates, 'certificate')}</Link>
          <code className="code">{problem.code}</code>
          {problem.until !== null && (
            <span>
              asked again <RelativeTime at={problem.until} />
            </span>
          )}
        </p>
      </div>
    </li>
  );
}

function keyOf({ code, subject }: Notice): string {
  return `${code} ${subject}`;
}
