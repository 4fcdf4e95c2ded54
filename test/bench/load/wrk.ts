/**
 * HTTP/1.1 by wrk, whose client side costs little enough to keep a fast server busy from one core. A script of ours looks
 * at status, length and content of every answer.
 */
import { writeFile } from 'node:fs/promises';
import { tempDir } from '../../support/tempdir.ts';
import { findTool } from '../../support/tools.ts';
import { largeBody, smallBody, smallPath, uploadAnswer } from '../bodies.ts';
import type { LoadResult } from './result.ts';

/** wrk takes the server name from its URL and resolves it, so it is one that every machine knows. */
export const wrkHost = 'localhost';

export type WrkWork = 'small' | 'large' | 'upload';

const largeInLua = `(function() local t = {} for i = 0, ${largeBody.length / 16 - 1} do t[#t + 1] = string.format("%015d\\n", i) end return table.concat(t) end)()`;
const works: Record<WrkWork, { path: string; expected: string; setup: string }> = {
  small: { path: smallPath(0), expected: JSON.stringify(smallBody(smallPath(0))), setup: '' },
  large: { path: '/large', expected: largeInLua, setup: '' },
  upload: {
    path: '/upload',
    expected: JSON.stringify(uploadAnswer),
    setup: `wrk.method = "POST" wrk.body = ${largeInLua}`,
  },
};

const script = (work: WrkWork): string => `
local expected = ${works[work].expected}
${works[work].setup}
local threads = {}
function setup(thread) threads[#threads + 1] = thread end
function init() wrong = 0 what = "" end
function response(status, headers, body)
  if status ~= 200 or body ~= expected then
    wrong = wrong + 1
    what = status .. " with " .. #body .. " bytes"
  end
end
function done(summary, latency)
  local wrong, what = 0, ""
  for _, thread in ipairs(threads) do wrong = wrong + thread:get("wrong") what = what .. thread:get("what") end
  local e = summary.errors
  print(string.format('RESULT {"requests":%d,"micros":%d,"p50":%d,"p99":%d,"wrong":%d,"what":"%s","connect":%d,"read":%d,"write":%d,"timeout":%d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), wrong, what, e.connect, e.read, e.write, e.timeout))
end
`;

interface Printed {
  readonly requests: number;
  readonly micros: number;
  readonly p50: number;
  readonly p99: number;
  readonly wrong: number;
  readonly what: string;
  readonly connect: number;
  readonly read: number;
  readonly write: number;
  readonly timeout: number;
}

/** One thread, `connections` kept alive, each with one request at a time. Throws `ToolMissing`. */
export async function runWrk(options: {
  port: number;
  work: WrkWork;
  connections: number;
  seconds: number;
}): Promise<LoadResult> {
  const wrk = await findTool('wrk');
  await using directory = await tempDir();
  const file = directory.join('check.lua');
  await writeFile(file, script(options.work));
  const url = `https://${wrkHost}:${options.port}${works[options.work].path}`;
  const { stdout, stderr } = await wrk.run(
    ['-t', '1', '-c', String(options.connections), '-d', `${options.seconds}s`, '-s', file, url],
    { timeoutMs: options.seconds * 1000 + 30_000 },
  );
  const line = /^RESULT (.*)$/m.exec(stdout)?.[1];
  if (line === undefined) throw new Error(`wrk gave no result: ${stderr}${stdout}`);
  const { requests, micros, p50, p99, wrong, what, connect, read, write, timeout } = JSON.parse(line) as Printed;
  if (requests === 0 || wrong + connect + read + write + timeout > 0)
    throw new Error(`the load was not answered as it should be (${what}): ${line}`);
  return { operations: requests, seconds: micros / 1e6, p50Ms: p50 / 1000, p99Ms: p99 / 1000 };
}
