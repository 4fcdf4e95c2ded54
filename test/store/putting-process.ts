/** Puts records one after the other and says each once it is durable, until it is killed. */
import { readFileSync, writeSync } from 'node:fs';
import { EncryptionKey } from '../../src/store/encryption.ts';
import { order } from '../contract/certificate-store.ts';
import { openStore } from './opening.ts';

const [dataDir = '', keyFile = ''] = process.argv.slice(2);
const key = EncryptionKey.parse(readFileSync(keyFile));
if (key === undefined) throw new Error('no key');
const store = await openStore(dataDir, key);
for (let i = 0; ; i += 1) {
  const id = `file/${i}`;
  await store.put('order', { key: id, value: order(id), secret: { keyPem: `key of ${i}` }, expect: 'absent' });
  await store.append({ at: i, kind: 'attempt', code: 'test', message: 'm', actor: 'scheduler', certificateId: id });
  writeSync(1, `durable ${i}\n`);
}
