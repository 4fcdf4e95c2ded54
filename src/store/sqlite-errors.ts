/** What SQLite and the file system say, as our error codes. */
import { CertplaneError, type ErrorCode } from '../core/errors.ts';

/** Primary result codes (https://www.sqlite.org/rescode.html) that people can do something about. */
const sqliteCodes: Readonly<Record<number, { code: ErrorCode; sentence: string }>> = {
  5: { code: 'store.unavailable', sentence: 'Another program keeps the database locked.' },
  6: { code: 'store.unavailable', sentence: 'Another program keeps the database locked.' },
  3: { code: 'store.unavailable', sentence: 'The database may not be opened; check its owner and mode.' },
  8: { code: 'store.unavailable', sentence: 'The database cannot be written: it or its file system is read-only.' },
  10: { code: 'store.unavailable', sentence: 'Reading or writing the database failed (I/O error).' },
  11: { code: 'store.corrupt', sentence: 'The database is damaged.' },
  13: { code: 'store.unavailable', sentence: 'The disk that holds the database is full.' },
  14: {
    code: 'store.unavailable',
    sentence: 'The database file cannot be opened; check the owner and mode of its directory.',
  },
  26: { code: 'store.corrupt', sentence: 'The database file is not an SQLite database.' },
};

const mediumCodes = new Set([
  'EACCES',
  'EEXIST',
  'ENAMETOOLONG',
  'ENOENT',
  'EISDIR',
  'EROFS',
  'EPERM',
  'ENOSPC',
  'EDQUOT',
  'EIO',
  'ENOTDIR',
  'ELOOP',
  'EMFILE',
  'ENFILE',
  'EBUSY',
  'ENXIO',
]);

/** The error as ours; `path` (the database or the data directory) goes into the sentence. */
export function storeError(error: unknown, path: string): CertplaneError {
  if (error instanceof CertplaneError) return error;
  const { code, errcode, message } = error as { code?: string; errcode?: number; message?: string };
  if (code === 'ERR_SQLITE_ERROR' && errcode !== undefined) {
    const known = sqliteCodes[errcode & 0xff];
    if (known?.code === 'store.corrupt') return corrupt(path, known.sentence, error);
    if (known !== undefined) return new CertplaneError(known.code, `${known.sentence} (${path})`, { cause: error });
  }
  if (code !== undefined && mediumCodes.has(code)) {
    return new CertplaneError('store.unavailable', `${path} cannot be used (${message ?? code}).`, { cause: error });
  }
  return new CertplaneError('internal.unexpected', `The store failed: ${message ?? String(error)}.`, { cause: error });
}

/** `store.corrupt` with the way out in its sentence. */
export function corrupt(path: string, sentence: string, cause?: unknown): CertplaneError {
  return new CertplaneError(
    'store.corrupt',
    `${sentence} (${path}) It was left as it is. Restore a backup with "certplane restore FILE --force".`,
    { cause },
  );
}
