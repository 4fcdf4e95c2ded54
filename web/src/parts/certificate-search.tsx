import { useEffect, useState } from 'react';
import { Button, Input, SearchField } from 'react-aria-components';
import { searchFieldId } from '../words/search-key.ts';
import { Icon } from './icon.tsx';

interface CertificateSearchProps {
  readonly value: string;
  readonly onChange: (value: string) => void;
}

const quietMs = 200;

/** Searches after a moment without typing; Enter and Escape at once. */
export function CertificateSearch({ value, onChange }: CertificateSearchProps) {
  const [typed, setTyped] = useState(value);
  const [known, setKnown] = useState(value);
  if (value !== known) {
    // The address changed by itself: back, or "show all".
    setKnown(value);
    setTyped(value);
  }
  useEffect(() => {
    if (typed === value) return;
    const timer = window.setTimeout(() => {
      setKnown(typed);
      onChange(typed);
    }, quietMs);
    return () => window.clearTimeout(timer);
  }, [typed, value, onChange]);
  useEffect(() => {
    if (window.location.hash === `#${searchFieldId}`) document.getElementById(searchFieldId)?.focus();
  }, []);

  return (
    <SearchField className="search" aria-label="Search certificates" value={typed} onChange={setTyped} maxLength={253}>
      <Icon name="search" />
      <Input id={searchFieldId} className="search-input" placeholder="Search names, issuers, serials" />
      <kbd className="search-key" aria-hidden="true">
        /
      </kbd>
      <Button className="icon-button search-clear" aria-label="Clear the search">
        <Icon name="close" />
      </Button>
    </SearchField>
  );
}
