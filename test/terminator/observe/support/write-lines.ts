/** Writes numbered lines to standard output in bursts, as workers' access logs do: `write-lines.ts NAME COUNT`. */
import { setTimeout as delay } from 'node:timers/promises';
import { LineWriter } from '../../../../src/terminator/observe/line-writer.ts';

const [name = '', count = '0'] = process.argv.slice(2);
const writer = new LineWriter({ file: undefined, onTrouble: (message) => void process.stderr.write(message) });
for (let i = 0; i < Number(count); i += 1) {
  writer.write(`${name} ${i} ${name.repeat(300)}\n`);
  if (i % 500 === 0) await delay(100);
}
await writer.close();
