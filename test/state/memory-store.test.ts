import { certificateStoreContract } from '../contract/certificate-store.ts';
import { MemoryStore } from '../support/memory-store.ts';

certificateStoreContract('the in-memory store of the tests', async () => {
  const store = new MemoryStore();
  return await Promise.resolve({ store, [Symbol.asyncDispose]: async () => await store[Symbol.asyncDispose]() });
});
