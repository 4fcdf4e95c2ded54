import { Button } from 'react-aria-components';
import { Icon } from './icon.tsx';
import type { Renewal } from './use-renewal.ts';

export function RenewButton({ renewal: { state, start } }: { readonly renewal: Renewal }) {
  const busy = state.step === 'asking' || state.step === 'running';
  return (
    <Button className="button primary" onPress={start} isPending={busy}>
      <Icon name={busy ? 'spinner' : 'renew'} />
      {busy ? 'Renewing' : 'Renew now'}
    </Button>
  );
}
