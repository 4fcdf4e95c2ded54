import { certificateStoreContract } from '../contract/certificate-store.ts';
import { temporaryStore } from './opening.ts';

certificateStoreContract('The SQLite store', async () => await temporaryStore());
