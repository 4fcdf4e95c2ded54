import { Button } from 'react-aria-components';
import { Icon } from './icon.tsx';
import type { Renewal } from './use-renewal.ts';

interface RenewButtonProps {
  readonly renewal: Renewal;
  /** Whether there is a version to renew. */
  readonly issued: boolean;
}

export function RenewButton({ renewal: { state, start }, issued }: RenewButtonProps) {
  const busy = state.step === 'asking' || state.step === 'running';
  return (
    <Button className="button primary" onPress={start} isPending={busy}>
      <Icon name={busy ? 'spinner' : 'renew'} />
      {busy ? (issued ? 'Renewing' : 'Issuing') : issued ? 'Renew now' : 'Issue now'}
    </Button>
  );
}
