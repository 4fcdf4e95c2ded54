/** The option table of docs/configuration.md and `certplane check --options`. */
import { fileSchema } from './schema.ts';
import { optionRows, type OptionRow } from './schema/walk.ts';

/** Every option with its unit, default and sentence, in the order of the schema. */
export function listOptions(): readonly OptionRow[] {
  return optionRows(fileSchema);
}

/** As a Markdown table. */
export function optionTable(): string {
  const rows = listOptions().map(({ path, unit, default: value, description }) => {
    const cells = [`\`${path}\``, unit, value ?? 'required', description];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  return ['| Option | Unit | Default | Meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
}
