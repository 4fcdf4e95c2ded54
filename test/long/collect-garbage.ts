/**
 * Preloaded into the processes of a soak test: SIGUSR2 collects garbage and prints the memory that is in use after it
 * and the number of open handles (sockets, timers, requests under way).
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
process.on('SIGUSR2', () => {
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  process.stderr.write(`memory ${process.pid} ${heapUsed + external} ${process.getActiveResourcesInfo().length}\n`);
});
