import { useEffect, useState } from 'react';
import { Button } from 'react-aria-components';
import { announce } from './announce.tsx';
import { Icon, type IconName } from './icon.tsx';

interface CopyProps {
  readonly text: string;
  /** `serial`: completes "Copy …". */
  readonly what: string;
  /** Words on the button; an icon alone without. */
  readonly label?: string;
}

const icons: Readonly<Record<'idle' | 'copied' | 'failed', IconName>> = {
  idle: 'copy',
  copied: 'check',
  failed: 'close',
};

export function Copy({ text, what, label }: CopyProps) {
  const [state, setState] = useState<'idle' | 'copied' | 'failed'>('idle');
  useEffect(() => {
    if (state === 'idle') return;
    const timer = window.setTimeout(() => setState('idle'), 2_000);
    return () => window.clearTimeout(timer);
  }, [state]);

  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setState('copied');
      announce(`Copied the ${what}.`);
    } catch {
      setState('failed');
      announce(`The browser did not allow copying the ${what}.`);
    }
  };
  return (
    <Button
      className={label === undefined ? 'icon-button' : 'button'}
      aria-label={label === undefined ? `Copy ${what}` : label}
      data-state={state}
      onPress={() => void copy()}
    >
      <Icon name={icons[state]} />
      {label}
    </Button>
  );
}
