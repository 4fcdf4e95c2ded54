/** Runs the clients of `http2-process.ts`. */
import { join } from 'node:path';
import { runProgram } from '../../support/process.ts';
import { percentile } from '../statistics.ts';
import type { LoadResult } from './result.ts';

export interface Http2Options {
  readonly port: number;
  readonly caPem: string;
  readonly name: string;
  readonly connections: number;
  readonly streams: number;
  readonly seconds: number;
}

export async function runHttp2(options: Http2Options): Promise<LoadResult> {
  const file = join(import.meta.dirname, 'http2-process.ts');
  const { stdout, stderr } = await runProgram(process.execPath, [file, JSON.stringify(options)], {
    name: 'HTTP/2 client',
    timeoutMs: options.seconds * 1000 + 30_000,
  });
  const line = /^REPORT (.*)$/m.exec(stdout)?.[1];
  if (line === undefined) throw new Error(`the load failed:\n${stderr.slice(0, 2000)}`);
  const { seconds, latenciesMs } = JSON.parse(line) as { seconds: number; latenciesMs: number[] };
  return {
    operations: latenciesMs.length,
    seconds,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
  };
}
