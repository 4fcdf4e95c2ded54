import { createHash } from 'node:crypto';
import { watch, type FSWatcher } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { findPrivateKey, maxBundleBytes, readBundle, splitChain, type Bundle } from '../../core/bundle.ts';
import type { CertificateId, VersionId } from '../../core/certificate.ts';
import { CertplaneError, toCertplaneError } from '../../core/errors.ts';
import type { CertificateItem, Revision } from '../../core/feed.ts';
import type { CertificateSource, SourceEvent } from '../../core/ports/certificate-source.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Log } from '../../core/ports/log.ts';
import { findCertificates, type CertificateFiles } from './files-layout.ts';

export interface FilesSourceOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Looked at again this often, whatever the watch says: network file systems tell nothing. */
const pollMs = 10_000;
/** After something unreadable, which is usually half written; twice as long each time while it stays so. */
const repairMs = 500;
/** Changes come in bursts. */
const quietMs = 50;
/** Files that are read at the same time, and before what they hold is handed over. */
const parallelReads = 16;
const partSize = 512;

/** Certificates from a directory of PEM files, whoever writes them: certbot, a mounted Secret, a person. */
export function createFilesSource(options: FilesSourceOptions): CertificateSource {
  return new FilesSource(options);
}

interface Known {
  /** Size, inode and modification time of what was read. */
  readonly stamp: string;
  readonly item: CertificateItem | undefined;
  readonly files: CertificateFiles;
}

interface ReadFiles {
  readonly known: Known;
  readonly bundle: Bundle | undefined;
}

interface Part {
  readonly items: readonly CertificateItem[];
  readonly complete: boolean;
}

interface Bad {
  readonly file: string;
  readonly error: CertplaneError;
}

class FilesSource implements CertificateSource {
  readonly name: string;
  readonly #options: FilesSourceOptions;
  /** By certificate id. A file that turns unreadable keeps what it had. */
  #known = new Map<CertificateId, Known>();
  /** What has been read and not been asked for yet, by version. Afterwards it is kept elsewhere, or read again. */
  readonly #fresh = new Map<VersionId, Bundle>();
  #sequence = 0;
  #listed = '';

  constructor(options: FilesSourceOptions) {
    this.#options = options;
    this.name = `files:${options.directory}`;
  }

  async *subscribe({ signal }: { since?: Revision | undefined; signal: AbortSignal }): AsyncIterable<SourceEvent> {
    const { clock, directory } = this.#options;
    // Another process has another epoch: it begins with a snapshot.
    const epoch = createHash('sha256').update(`${directory} ${clock.now()} ${process.pid}`).digest('hex').slice(0, 16);
    using watches = new DirectoryWatches();
    this.#listed = '';
    let trouble = '';
    let repairAfterMs = repairMs;
    while (!signal.aborted) {
      const changed = watches.next();
      const bad: Bad[] = [];
      try {
        const revision = { epoch, sequence: this.#sequence + 1 };
        for await (const { items, complete } of this.#scan(watches, bad, signal)) {
          if (complete) this.#sequence += 1;
          yield { type: 'snapshot', items, revision, complete };
        }
        if (signal.aborted) return;
      } catch (error) {
        watches[Symbol.dispose](); // they may belong to a directory that has been put away
        bad.push({ file: directory, error: toCertplaneError(error, 'terminator.source-unreadable') });
      }
      const sentence = describe(bad);
      repairAfterMs = sentence === trouble ? Math.min(2 * repairAfterMs, pollMs) : repairMs;
      if (sentence !== trouble) yield { type: 'trouble', problem: troubleOf(bad, sentence) };
      trouble = sentence;
      await this.#wait(changed, bad.length > 0 ? repairAfterMs : pollMs, signal);
    }
  }

  async material(versionId: VersionId, signal: AbortSignal): Promise<Bundle> {
    signal.throwIfAborted();
    const fresh = this.#fresh.get(versionId);
    if (fresh !== undefined) {
      this.#fresh.delete(versionId);
      return fresh;
    }
    const id = versionId.slice(0, versionId.lastIndexOf('#'));
    const known = this.#known.get(id);
    if (known?.item?.versionId === versionId) {
      const again = await read(id, known.files, { stamp: known.stamp, hadKey: true });
      if (again.known.item?.versionId === versionId && again.bundle !== undefined) return again.bundle;
    }
    throw new CertplaneError('store.not-found', `${this.#options.directory} no longer has ${versionId}.`);
  }

  /** Until something changes and it is quiet again, or the time is over. */
  async #wait(changed: Promise<void>, ms: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const round = new AbortController();
    const poll = clock.sleep(ms, AbortSignal.any([signal, round.signal])).then(undefined, () => undefined);
    await Promise.race([changed, poll]);
    round.abort();
    await poll;
    if (!signal.aborted) await clock.sleep(quietMs, signal).then(undefined, () => undefined);
  }

  /**
   * Everything there is, or nothing when nothing has changed. Of many, what is new comes first, in parts as it is read.
   * What cannot be read goes to `bad`.
   */
  async *#scan(watches: DirectoryWatches, bad: Bad[], signal: AbortSignal): AsyncIterable<Part> {
    const { directory } = this.#options;
    watches.watch(directory);
    const { certificates: found, unreadable } = await findCertificates(directory);
    const known = new Map<CertificateId, Known>();
    for (const { name, error } of unreadable) {
      bad.push({ file: join(directory, name), error: toCertplaneError(error, 'terminator.source-unreadable') });
      const before = this.#known.get(idOf({ name }));
      if (before !== undefined) known.set(idOf({ name }), before);
    }
    const told = new Set<VersionId>();
    for (let at = 0; at < found.length; at += partSize) {
      this.#fresh.clear();
      const fresh = await this.#readPart(found.slice(at, at + partSize), known, { watches, bad });
      if (signal.aborted) return;
      if (found.length <= partSize || fresh.length === 0) continue;
      for (const { versionId } of fresh) told.add(versionId);
      yield { items: fresh, complete: false };
      if (signal.aborted) return;
    }
    this.#known = known;
    const items = [...known.values()].flatMap(({ item }) => (item === undefined ? [] : [item]));
    const listed = items.map(({ versionId }) => versionId).join('\n');
    if (listed === this.#listed && this.#sequence > 0) return;
    // Nothing readable in a directory that has something: that is no empty set (never §5.7).
    if (items.length === 0 && bad.length > 0) return;
    this.#listed = listed;
    yield { items: items.filter(({ versionId }) => !told.has(versionId)), complete: true };
  }

  /** Reads those that have changed and adds all to `known`; returns the new versions. */
  async #readPart(
    part: readonly CertificateFiles[],
    known: Map<CertificateId, Known>,
    { watches, bad }: { watches: DirectoryWatches; bad: Bad[] },
  ): Promise<CertificateItem[]> {
    const { directory } = this.#options;
    const results: (Known | undefined)[] = [];
    const fresh: CertificateItem[] = [];
    let next = 0;
    const reader = async (): Promise<void> => {
      for (let i = next++; i < part.length; i = next++) {
        const files = part[i] as CertificateFiles;
        const id = idOf(files);
        if (dirname(files.chainFile) !== directory) watches.watch(`${directory}/${files.name}`);
        const before = this.#known.get(id);
        results[i] = before?.item === undefined ? undefined : before; // what cannot be read keeps what it had
        try {
          const stamp = await stampOf(files);
          if (before?.stamp === stamp) results[i] = before;
          else {
            const now = await read(id, files, { stamp, hadKey: before?.item !== undefined });
            results[i] = now.known;
            const { item } = now.known;
            if (item === undefined || now.bundle === undefined || item.versionId === before?.item?.versionId) continue;
            fresh.push(item);
            this.#fresh.set(item.versionId, now.bundle);
          }
        } catch (error) {
          bad.push({ file: files.chainFile, error: toCertplaneError(error, 'terminator.source-unreadable') });
        }
      }
    };
    await Promise.all(Array.from({ length: parallelReads }, reader));
    for (const [i, files] of part.entries()) {
      const result = results[i];
      if (result === undefined) continue;
      known.set(idOf(files), result);
      this.#known.set(idOf(files), result);
    }
    return fresh;
  }
}

function idOf({ name }: Pick<CertificateFiles, 'name'>): CertificateId {
  return `seen/files/${name}`;
}

async function stampOf({ chainFile, keyFile }: CertificateFiles): Promise<string> {
  const stamps: string[] = [];
  for (const file of new Set([chainFile, keyFile])) {
    const found = await stat(file);
    // Opening a named pipe would wait for a writer, and everything else here with it.
    if (!found.isFile()) throw new CertplaneError('terminator.source-unreadable', 'It is not a regular file.');
    const { ino, size, mtimeMs, ctimeMs } = found;
    stamps.push(`${file} ${ino} ${size} ${mtimeMs} ${ctimeMs}`);
  }
  return stamps.join('\n');
}

async function read(
  id: CertificateId,
  files: CertificateFiles,
  { stamp, hadKey }: { stamp: string; hadKey: boolean },
): Promise<ReadFiles> {
  const chain = await readBounded(files.chainFile);
  const key = files.keyFile === files.chainFile ? chain : await readBounded(files.keyFile);
  const blocks = splitChain(chain);
  const keyPem = findPrivateKey(key);
  if (keyPem === undefined && files.keyFile === files.chainFile && blocks.length > 0 && !hadKey) {
    // Certificates without a key: a CA file, nothing to serve.
    return { known: { stamp, item: undefined, files }, bundle: undefined };
  }
  if (keyPem === undefined)
    throw new CertplaneError('certificate.unparsable', 'There is no complete private key in it.');
  const bundle = { chainPem: blocks.join(''), keyPem };
  const { names, notBefore, notAfter, serial, fingerprint256 } = readBundle(bundle);
  const versionId = `${id}#${fingerprint256.slice(0, 16)}`;
  const facts = { names, notBefore, notAfter, serial, fingerprint256 };
  return { known: { stamp, item: { kind: 'certificate', certificateId: id, versionId, ...facts }, files }, bundle };
}

async function readBounded(file: string): Promise<string> {
  await using handle = await open(file, 'r');
  const { size } = await handle.stat();
  if (size > maxBundleBytes) throw new CertplaneError('certificate.unparsable', 'It is larger than 1 MiB.');
  const buffer = Buffer.allocUnsafe(size);
  const { bytesRead } = await handle.read(buffer, 0, size, 0);
  return buffer.toString('latin1', 0, bytesRead);
}

function describe(bad: readonly Bad[]): string {
  const [first] = bad;
  if (first === undefined) return '';
  const more = bad.length > 1 ? ` (and ${bad.length - 1} more)` : '';
  // The system's own sentence ends in `, stat '/the/file'`.
  return `${first.file}: ${first.error.message.replace(/, \w+ '.*'$/, '')}${more}`;
}

function troubleOf(bad: readonly Bad[], message: string): Extract<SourceEvent, { type: 'trouble' }>['problem'] {
  const [first] = bad;
  return first === undefined ? undefined : { code: 'terminator.source-unreadable', message, subject: first.file };
}

/** Watches directories, not files: what is exchanged by rename leaves a file's watch behind (kubelet's `..data`). */
class DirectoryWatches implements Disposable {
  readonly #watchers = new Map<string, FSWatcher>();
  #changed = Promise.withResolvers<void>();

  /** Resolves at the next change. */
  next(): Promise<void> {
    this.#changed = Promise.withResolvers();
    return this.#changed.promise;
  }

  watch(directory: string): void {
    if (this.#watchers.has(directory) || this.#watchers.size >= 1_000) return;
    try {
      const watcher = watch(directory, { persistent: false }, () => this.#changed.resolve());
      watcher.on('error', () => this.#forget(directory));
      this.#watchers.set(directory, watcher);
    } catch {
      // Missing, or no watch to be had: the poll sees its changes.
    }
  }

  [Symbol.dispose](): void {
    for (const directory of this.#watchers.keys()) this.#forget(directory);
  }

  #forget(directory: string): void {
    this.#watchers.get(directory)?.close();
    this.#watchers.delete(directory);
  }
}
