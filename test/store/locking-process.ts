/** Takes the writer lock, says so, and keeps it until it is killed. */
import { acquireWriterLock } from '../../src/store/lock.ts';

const [dataDir = ''] = process.argv.slice(2);
using _lock = acquireWriterLock(dataDir);
console.log('locked');
await new Promise((resolve) => setTimeout(resolve, 120_000));
