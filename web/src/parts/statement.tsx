import type { CertificateDetail } from '../types.ts';
import { certificateLook } from '../words/status.ts';
import { shortHex } from '../words/text.ts';
import { Icon } from './icon.tsx';
import { NoticeBox } from './notice.tsx';
import type { Renewal } from './use-renewal.ts';
import { Progress } from './progress.tsx';

interface StatementProps {
  readonly certificate: CertificateDetail;
  readonly renewal: Renewal;
}

/** The state in the server's own sentence, and what is happening right now. */
export function Statement({ certificate, renewal }: StatementProps) {
  const look = certificateLook(certificate);
  return (
    <div className="statement" data-tone={look.tone}>
      <p className="statement-sentence">
        <Icon name={look.icon} />
        <span className="server-text">{certificate.sentence}</span>
      </p>
      {certificate.progress !== null && <Progress progress={certificate.progress} />}
      {renewal.state.step === 'running' && certificate.progress === null && (
        <div className="late">
          <NoticeBox tone="busy" icon="clock">
            The renewal is asked for and waits. {certificate.nextActionReason.message}
          </NoticeBox>
        </div>
      )}
      <Outcome renewal={renewal} />
    </div>
  );
}

function Outcome({ renewal: { state } }: { readonly renewal: Renewal }) {
  if (state.step === 'done') {
    return (
      <NoticeBox tone="ok" icon="check-circle">
        A new version is in use, serial <code title={state.serial}>{shortHex(state.serial)}</code>
      </NoticeBox>
    );
  }
  if (state.step === 'refused') {
    return (
      <NoticeBox tone="warn" icon="alert">
        The renewal was not started: {state.message}
      </NoticeBox>
    );
  }
  if (state.step === 'failed') {
    return (
      <NoticeBox tone="warn" icon="alert">
        The renewal failed: {state.message}
      </NoticeBox>
    );
  }
  return null;
}
