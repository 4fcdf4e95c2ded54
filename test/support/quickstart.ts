/** The quickstart file as it is shipped, on ports and in a data directory of the test's own, and what it prints. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { repository } from './certplane.ts';
import { freePorts } from './ports.ts';
import { runProgram, type RunResult, type RunningProcess } from './process.ts';
import { findTool } from './tools.ts';

export interface QuickstartPorts {
  readonly https: number;
  readonly http: number;
  readonly admin: number;
}

export interface Quickstart {
  readonly yaml: string;
  readonly ports: QuickstartPorts;
}

/** Where the file lies under this repository, a copy of it or the installed package. */
export const quickstartFile = join('deploy', 'examples', 'quickstart.yaml');

/** `dataDir` as it is to be written into the file. */
export async function quickstart({ root = repository, dataDir = './data' } = {}): Promise<Quickstart> {
  const shipped = await readFile(join(root, quickstartFile), 'utf8');
  const [https = 0, http = 0, admin = 0, metrics = 0, terminatorMetrics = 0] = await freePorts(5);
  const replacements: [string, string][] = [
    ['../../data', dataDir],
    ['127.0.0.1:8443', `127.0.0.1:${https}`],
    ['127.0.0.1:8080', `127.0.0.1:${http}`],
    ['127.0.0.1:8484', `127.0.0.1:${admin}`],
  ];
  let yaml = shipped;
  for (const [from, to] of replacements) {
    if (!yaml.includes(from)) throw new Error(`the quickstart file does not mention ${from} any more`);
    yaml = yaml.replaceAll(from, to);
  }
  yaml += `metrics: { listen: '127.0.0.1:${metrics}', terminator: '127.0.0.1:${terminatorMetrics}' }\n`;
  return { yaml, ports: { https, http, admin } };
}

export interface Banner {
  readonly https: string;
  readonly http: string;
  readonly dashboard: string;
  /** The command line that proves that it serves, as printed. */
  readonly proof: string;
  readonly loginLink: string;
}

/** Waits for the banner; `from` is a position in the output, to skip what an earlier reader has seen. */
export async function bannerOf(running: RunningProcess, { timeoutMs = 60_000, from = 0 } = {}): Promise<Banner> {
  const printed = /^ +https +(\S+)\n +http +(\S+).*\n +dashboard +(\S+)\n[^]*?^ +(curl .*)\n[^]*?^ +(\S*\/login\S*)\n/m;
  const [, https = '', http = '', dashboard = '', proof = '', loginLink = ''] = await running.waitForLine(printed, {
    timeoutMs,
    from,
  });
  return { https, http, dashboard, proof, loginLink };
}

/** Runs a printed command line literally, as a person would paste it. */
export async function paste(commandLine: string, cwd: string): Promise<RunResult> {
  const curl = await findTool('curl');
  const PATH = `${dirname(curl.path)}:${process.env['PATH'] ?? ''}`;
  return await runProgram('/bin/sh', ['-c', commandLine], { cwd, env: { ...curl.env, PATH } });
}
