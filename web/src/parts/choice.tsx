import { Button, Label, ListBox, ListBoxItem, Popover, Select, SelectValue } from 'react-aria-components';
import { Icon } from './icon.tsx';

interface ChoiceProps<K extends string> {
  readonly label: string;
  readonly value: K;
  readonly options: readonly (readonly [key: K, words: string])[];
  readonly onChange: (key: K) => void;
}

/** One of a few. */
export function Choice<K extends string>({ label, value, options, onChange }: ChoiceProps<K>) {
  return (
    <Select className="choice" value={value} onChange={(key) => onChange(key as K)}>
      <Label className="choice-label">{label}</Label>
      <Button className="button choice-button">
        <SelectValue>{options.find(([key]) => key === value)?.[1]}</SelectValue>
        <Icon name="down" />
      </Button>
      <Popover className="popover">
        <ListBox className="options">
          {options.map(([key, words]) => (
            <ListBoxItem key={key} id={key} className="option" textValue={words}>
              {words}
              <Icon name="check" />
            </ListBoxItem>
          ))}
        </ListBox>
      </Popover>
    </Select>
  );
}
