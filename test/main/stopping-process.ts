/** A process whose stop waits for something that never comes; its argument says for what it says it waits. */
import { createLog } from '../../src/observe/log.ts';
import { limitStop } from '../../src/main/stop-limit.ts';
import { stopSignals } from '../../src/main/stop.ts';

const [named = ''] = process.argv.slice(2);
using signals = stopSignals();
const waitingFor = (): readonly string[] => (named === '' ? [] : [named]);
limitStop({ signals, waitingFor, log: createLog({ level: 'info' }), limitMs: 20 });
setInterval(() => undefined, 1_000);
process.stdout.write('ready\n');
await signals.stopped;
