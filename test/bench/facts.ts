/** What a result was measured with: versions and cores, nothing that names a machine. */
import { toolSpecs, type ToolName } from '../support/tool-list.ts';
import { findTool } from '../support/tools.ts';
import type { Cores } from './cores.ts';
import { notMeasured } from './row.ts';
import { median } from './statistics.ts';

const versionOf: Partial<Record<ToolName, { args: string[]; pattern: RegExp }>> = {
  nginx: { args: ['-v'], pattern: /nginx\/([\d.]+)/ },
  haproxy: { args: ['-v'], pattern: /version ([\d.]+)/ },
  caddy: { args: ['version'], pattern: /v?([\d.]+)/ },
  hitch: { args: ['--version'], pattern: /hitch ([\d.]+)/ },
  wrk: { args: ['-v'], pattern: /([\d.]+)/ },
};

export async function facts(
  cores: Cores,
  run: { rounds: number; seconds: number; command: string; foreign: readonly number[] },
): Promise<[string, string][]> {
  const versions: string[] = [];
  for (const [name, { args, pattern }] of Object.entries(versionOf)) {
    try {
      const { stdout, stderr } = await (await findTool(name as ToolName)).run(args);
      versions.push(`${name} ${pattern.exec(stdout + stderr)?.[1] ?? 'of unknown version'}`);
    } catch {
      versions.push(`${name} missing (Debian's package ${toolSpecs[name as ToolName].package})`);
    }
  }
  const shared =
    cores.server === cores.load ? ', which everything shares' : ': one for the server, the rest for load and backend';
  return [
    ['date', new Date().toISOString().slice(0, 10)],
    ['command', `\`${run.command}\``],
    ['rounds', `${run.rounds} of ${run.seconds} s each`],
    ['cores', `${cores.count}${shared}`],
    ['used by other programs meanwhile', used(run.foreign)],
    ['Node', `${process.versions.node} with OpenSSL ${process.versions.openssl}`],
    ['peers and load', versions.join(', ')],
  ];
}

/** Ratios hold when others take a little now and then; figures of their own do not. */
function used(cores: readonly number[]): string {
  if (cores.length === 0) return notMeasured;
  return `${median(cores).toFixed(2)} cores in the median row, ${Math.max(...cores).toFixed(2)} in the worst`;
}
