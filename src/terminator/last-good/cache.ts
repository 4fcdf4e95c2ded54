/** Encrypted last-good copy of what a terminator serves, so that it can start and serve without control. */
import { randomBytes, type KeyObject } from 'node:crypto';
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bundle } from '../../core/bundle.ts';
import { CertplaneError } from '../../core/errors.ts';
import { feedKey, type FeedKey, type Revision } from '../../core/feed.ts';
import { makeDirectories } from '../../core/make-directories.ts';
import { readOrCreateKey } from './encryption-key.ts';
import type { CachedItem, CachedState, LastGoodCache } from './port.ts';
import { RecordFile, seal, unseal, type Place } from './record-file.ts';
import { packItem, recordKey, unpackItem, type IndexRecord, type ItemRecord } from './records.ts';

const indexName = 'index';
const indexLabel = 'index';
export const materialPrefix = 'material.';
/** Rewriting is not worth it below. */
const smallestRewriteBytes = 8 * 1_048_576;
const rewriteBatch = 500;

type Change =
  | { readonly kind: 'put'; readonly cached: CachedItem; readonly bundle: Bundle | undefined }
  | { readonly kind: 'removed'; readonly source: string; readonly key: FeedKey }
  | { readonly kind: 'revision'; readonly source: string; readonly revision: Revision };

interface Waiting {
  readonly change: Change;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

export function createLastGoodCache(options: { directory: string; keyFile: string }): LastGoodCache {
  return new LastGoodFiles(options.directory, options.keyFile);
}

interface Kept {
  readonly record: ItemRecord;
  readonly bytes: number;
}

interface Files {
  readonly key: KeyObject;
  readonly generation: string;
  readonly index: RecordFile;
  readonly material: RecordFile;
}

class LastGoodFiles implements LastGoodCache {
  readonly #directory: string;
  readonly #keyFile: string;
  readonly #items = new Map<string, Kept>();
  readonly #revisions = new Map<string, Revision>();
  /** What could not be written, by key; written with the next change. */
  readonly #lost = new Map<string, Change>();
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #files: Files | undefined;
  /** Bytes of both files that hold what is current. */
  #liveBytes = 0;

  constructor(directory: string, keyFile: string) {
    this.#directory = directory;
    this.#keyFile = keyFile;
  }

  async load(): Promise<CachedState> {
    try {
      const unreadable = await this.#open();
      if (unreadable > 0) {
        this.#revisions.clear();
        await this.#rewrite();
      }
      return {
        items: [...this.#items.values()].map(({ record }) => unpackItem(record)),
        revisions: new Map(this.#revisions),
        unreadable,
      };
    } catch (cause) {
      throw cacheError('terminator.cache-unreadable', 'The last-good copy cannot be opened', cause);
    }
  }

  async put(cached: CachedItem, bundle?: Bundle): Promise<void> {
    await this.#change({ kind: 'put', cached, bundle });
  }

  async remove(source: string, key: FeedKey): Promise<void> {
    await this.#change({ kind: 'removed', source, key });
  }

  async putRevision(source: string, revision: Revision): Promise<void> {
    await this.#change({ kind: 'revision', source, revision });
  }

  async bundle(source: string, key: FeedKey): Promise<Bundle> {
    const id = recordKey(source, key);
    for (;;) {
      const files = this.#files;
      const place = this.#items.get(id)?.record.material;
      if (files === undefined || place === undefined)
        throw new CertplaneError('terminator.cache-unreadable', `The last-good copy of ${key} has no key material.`);
      try {
        return JSON.parse(unseal(files.key, id, await files.material.frame(place)).toString('utf8')) as Bundle;
      } catch (cause) {
        if (this.#files !== files) continue; // rewritten meanwhile: it stands elsewhere now
        throw cacheError('terminator.cache-unreadable', `The last-good copy of ${key} cannot be read`, cause);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    await this.#files?.index[Symbol.asyncDispose]();
    await this.#files?.material[Symbol.asyncDispose]();
    this.#files = undefined;
  }

  #change(change: Change): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ change, done: resolve, failed: reject });
    this.#writing ??= this.#write();
    return promise;
  }

  /** Whatever has come together by then goes out in one write. */
  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      await new Promise(setImmediate);
      const batch = this.#waiting;
      this.#waiting = [];
      const changes = [...this.#lost.values(), ...batch.map(({ change }) => change)];
      try {
        await this.#append(await this.#opened(), changes);
        this.#lost.clear();
        await this.#rewriteWhenWorthIt();
        for (const { done } of batch) done();
      } catch (cause) {
        for (const change of changes) if (change.kind !== 'revision') this.#lost.set(keyOf(change), change);
        const error = cacheError('terminator.cache-unwritable', 'The last-good copy cannot be written', cause);
        for (const { failed } of batch) failed(error);
      }
    }
    this.#writing = undefined; // in the same turn in which nothing was waiting
  }

  /** Material first: a record in the index never points to what is not there. */
  async #append({ key, index, material }: Files, changes: readonly Change[]): Promise<void> {
    const bundles = changes.filter((change) => change.kind === 'put' && change.bundle !== undefined) as Extract<
      Change,
      { kind: 'put' }
    >[];
    const places = new Map<Change, Place>();
    const frames = bundles.map((put) => seal(key, keyOf(put), Buffer.from(JSON.stringify(put.bundle))));
    if (frames.length > 0) {
      for (const [i, place] of (await material.append(frames)).entries()) places.set(bundles[i] as Change, place);
    }
    const records = changes.map((change) =>
      change.kind === 'put' ? packItem(change.cached, places.get(change)) : change,
    );
    const written = await index.append(records.map((record) => sealRecord(key, record)));
    for (const [i, record] of records.entries()) this.#remember(record, (written[i] as Place).length);
  }

  /** `bytes`: what it takes in the index. */
  #remember(record: IndexRecord, bytes: number): void {
    if (record.kind === 'item') {
      const id = recordKey(record.source, feedKey(record.item));
      this.#forget(id);
      this.#items.set(id, { record, bytes: bytes + (record.material?.length ?? 0) });
      this.#liveBytes += bytes + (record.material?.length ?? 0);
    } else if (record.kind === 'removed') this.#forget(recordKey(record.source, record.key));
    else if (record.kind === 'revision') this.#revisions.set(record.source, record.revision);
  }

  #forget(id: string): void {
    this.#liveBytes -= this.#items.get(id)?.bytes ?? 0;
    this.#items.delete(id);
  }

  async #opened(): Promise<Files> {
    if (this.#files === undefined) await this.#open();
    return this.#files as Files;
  }

  /** Opens the files, or begins new ones; returns the number of records that cannot be read. */
  async #open(): Promise<number> {
    await makeDirectories(this.#directory, 0o700);
    const key = await readOrCreateKey(this.#keyFile);
    await using stack = new AsyncDisposableStack();
    const index = stack.use(await RecordFile.open(join(this.#directory, indexName), 'a+'));
    let generation: string | undefined;
    let unreadable = 0;
    for await (const { place, plain } of index.read(key, indexLabel)) {
      const record = plain === undefined ? undefined : (JSON.parse(plain.toString('utf8')) as IndexRecord);
      if (record === undefined) unreadable += 1;
      else if (record.kind === 'begin') generation = record.generation;
      else this.#remember(record, place.length);
    }
    const isNew = generation === undefined;
    generation ??= newGeneration();
    const material = stack.use(await RecordFile.open(join(this.#directory, materialName(generation)), 'a+'));
    if (isNew) await index.append([sealRecord(key, { kind: 'begin', generation })]);
    await this.#removeLeftovers(generation);
    stack.move();
    this.#files = { key, generation, index, material };
    for (const [id, { record }] of this.#items) {
      const place = record.material;
      // Cut off, or of a file that is gone: without its key the certificate cannot be served.
      if (place === undefined || place.at + place.length <= material.size) continue;
      this.#forget(id);
      unreadable += 1;
    }
    return unreadable;
  }

  async #rewriteWhenWorthIt(): Promise<void> {
    const { index, material } = this.#files as Files;
    const size = index.size + material.size;
    if (size < smallestRewriteBytes || size < 2 * this.#liveBytes) return;
    await this.#rewrite();
  }

  /** Everything in use into new files; one rename puts them in the place of the old ones. */
  async #rewrite(): Promise<void> {
    const old = this.#files as Files;
    const { key } = old;
    const generation = newGeneration();
    const temporary = join(this.#directory, `${indexName}.${generation}.new`);
    await using stack = new AsyncDisposableStack();
    const index = stack.use(await RecordFile.open(temporary, 'wx+'));
    const material = stack.use(await RecordFile.open(join(this.#directory, materialName(generation)), 'wx+'));
    await index.append([sealRecord(key, { kind: 'begin', generation })]);
    const moved = new Map<string, Kept>();
    const all = [...this.#items];
    for (let at = 0; at < all.length; at += rewriteBatch) {
      const records: ItemRecord[] = [];
      for (const [id, { record, bytes }] of all.slice(at, at + rewriteBatch)) {
        const place = record.material;
        const [newPlace] = place === undefined ? [] : await material.append([await old.material.frame(place)]);
        const item = { ...record, material: newPlace };
        records.push(item);
        moved.set(id, { record: item, bytes });
      }
      await index.append(records.map((record) => sealRecord(key, record)));
    }
    const revisions = [...this.#revisions].map(
      ([source, revision]) => ({ kind: 'revision', source, revision }) as const,
    );
    if (revisions.length > 0) await index.append(revisions.map((record) => sealRecord(key, record)));
    await rename(temporary, join(this.#directory, indexName));
    stack.move();
    for (const [id, kept] of moved) this.#items.set(id, kept);
    this.#files = { key, generation, index, material };
    await old.index[Symbol.asyncDispose]();
    await old.material[Symbol.asyncDispose]();
    await this.#removeLeftovers(generation);
  }

  /** Files of other generations, and what a crash left half written. */
  async #removeLeftovers(generation: string): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      const keep = name === indexName || name === materialName(generation);
      if (!keep && /^(index|material)\b|\.new$/.test(name)) await rm(join(this.#directory, name), { force: true });
    }
  }
}

function keyOf(change: Exclude<Change, { kind: 'revision' }>): string {
  return change.kind === 'put'
    ? recordKey(change.cached.source, feedKey(change.cached.item))
    : recordKey(change.source, change.key);
}

function sealRecord(key: KeyObject, record: IndexRecord): Buffer {
  return seal(key, indexLabel, Buffer.from(JSON.stringify(record)));
}

function newGeneration(): string {
  return randomBytes(8).toString('hex');
}

function materialName(generation: string): string {
  return `${materialPrefix}${generation}`;
}

function cacheError(
  code: 'terminator.cache-unreadable' | 'terminator.cache-unwritable',
  what: string,
  cause: unknown,
): CertplaneError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new CertplaneError(code, `${what}: ${why}`, { cause });
}
