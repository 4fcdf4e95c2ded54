/** Certificates from elsewhere. */
import type { SourceSpec } from '../../core/terminator.ts';
import { parseEach } from '../issues.ts';
import { resolvePath } from '../paths.ts';
import type { Path } from '../position.ts';
import { sourceSchema, terminatorSchema } from '../schema/terminator.ts';
import type { TerminatorContext } from './context.ts';

export function readSources(value: unknown, path: Path, { base, problems }: TerminatorContext): SourceSpec[] {
  const inputs = parseEach(terminatorSchema.shape.sources, value, { entry: sourceSchema, path, problems });
  const sources: SourceSpec[] = [];
  for (const [i, input] of inputs.entries()) {
    if (input?.complete !== true) continue;
    const { files, kubernetesSecrets } = input.fields;
    const at = [...path, i];
    if ((files === undefined) === (kubernetesSecrets === undefined)) {
      const message =
        'A source is exactly one of files and kubernetesSecrets; write one of them, and a list entry for each.';
      problems.error(at, message);
      continue;
    }
    const source: SourceSpec =
      files === undefined
        ? { kind: 'kubernetesSecrets', namespace: kubernetesSecrets?.namespace, selector: kubernetesSecrets?.selector }
        : { kind: 'files', directory: resolvePath(files.directory, base) };
    if (sources.some((other) => JSON.stringify(other) === JSON.stringify(source))) {
      problems.error(at, 'This source is listed twice; leave one of them out.');
    } else sources.push(source);
  }
  return sources;
}
