import { useState } from 'react';
import { ToggleButton, ToggleButtonGroup } from 'react-aria-components';
import { Icon } from './icon.tsx';

const themes = ['system', 'light', 'dark'] as const;
type Theme = (typeof themes)[number];
const storageKey = 'certplane.theme'; // public/theme.js reads it before the first paint
const icons = { system: 'system', light: 'sun', dark: 'moon' } as const;

function chosenTheme(): Theme {
  const theme = document.documentElement.dataset['theme'];
  return theme === 'light' || theme === 'dark' ? theme : 'system';
}

function choose(theme: Theme): void {
  const root = document.documentElement;
  if (theme === 'system') delete root.dataset['theme'];
  else root.dataset['theme'] = theme;
  try {
    if (theme === 'system') localStorage.removeItem(storageKey);
    else localStorage.setItem(storageKey, theme);
  } catch {
    // Storage is switched off: the choice lasts until the page is left.
  }
}

export function ThemeSwitch() {
  const [theme, setTheme] = useState(chosenTheme);
  return (
    <ToggleButtonGroup
      className="segments"
      aria-label="Colours"
      disallowEmptySelection
      selectedKeys={[theme]}
      onSelectionChange={([key]) => {
        const next = themes.find((one) => one === key) ?? 'system';
        choose(next);
        setTheme(next);
      }}
    >
      {themes.map((one) => (
        <ToggleButton key={one} id={one} className="segment" aria-label={`${one} colours`}>
          <Icon name={icons[one]} />
        </ToggleButton>
      ))}
    </ToggleButtonGroup>
  );
}
