/**
 * A directory whose files change all at once, the way kubelet does it:
 *
 *   fullchain.pem -> ..data/fullchain.pem      links that never change
 *   ..data -> ..certplane-7                    the one thing that changes, by one rename
 *   ..certplane-7/fullchain.pem, …             a set; written whole before anything leads to it
 *   ..certplane-6/…                            the set before it, for readers that are still in it
 */
import { join } from 'node:path';
import { CertplaneError } from '../core/errors.ts';
import type { FileSystem, NewFile } from './file-system.ts';

const dataLink = '..data';
const setPrefix = '..certplane-';
/** The link before it takes the place of `..data`. */
const nextDataLink = `${setPrefix}next`;

export class SetDirectory {
  readonly path: string;
  readonly #files: FileSystem;

  constructor(path: string, files: FileSystem) {
    this.path = path;
    this.#files = files;
  }

  /** Makes the directory. Throws `output.path-unusable` when something else is there, or at one of `names`. */
  async prepare(names: readonly string[]): Promise<void> {
    await this.#files.makeDirectory(this.path, true);
    for (const name of names) await this.#check(name, (target) => target === join(dataLink, name));
    await this.#check(dataLink, (target) => setNumber(target) !== undefined);
  }

  /** Directory of the set in use; undefined when there is none. */
  async current(): Promise<string | undefined> {
    const link = join(this.path, dataLink);
    if ((await this.#files.look(link))?.kind !== 'link') return undefined;
    const target = await this.#files.readLink(link);
    return setNumber(target) === undefined ? undefined : join(this.path, target);
  }

  /** Writes the files as a new set and switches to it. */
  async write(files: ReadonlyMap<string, NewFile>): Promise<void> {
    const current = await this.#currentNumber();
    const numbers = await this.#sets();
    // What is newer than the set in use was never switched to.
    for (const number of numbers) if (number > current) await this.#remove(number);
    const next = Math.max(current, ...numbers) + 1;
    const target = `${setPrefix}${next}`;
    const directory = join(this.path, target);
    await this.#files.makeDirectory(directory, false);
    for (const [name, file] of files) await this.#files.create(join(directory, name), file);
    await this.#files.syncDirectory(directory);
    // Links that lead nowhere yet come first: then even the first set appears all at once.
    await this.link([...files.keys()]);
    await this.#files.remove(join(this.path, nextDataLink));
    await this.#files.makeLink(target, join(this.path, nextDataLink));
    await this.#files.rename(join(this.path, nextDataLink), join(this.path, dataLink));
    await this.#files.syncDirectory(this.path);
  }

  /** Makes the links that are missing. */
  async link(names: readonly string[]): Promise<void> {
    let made = false;
    for (const name of names) {
      const path = join(this.path, name);
      if ((await this.#files.look(path)) !== undefined) continue;
      await this.#files.makeLink(join(dataLink, name), path);
      made = true;
    }
    if (made) await this.#files.syncDirectory(this.path);
  }

  /** Removes every set but the one in use and the one before it. */
  async tidy(): Promise<void> {
    const current = await this.#currentNumber();
    const numbers = await this.#sets();
    const previous = Math.max(0, ...numbers.filter((number) => number < current));
    for (const number of numbers) if (number !== current && number !== previous) await this.#remove(number);
  }

  async #currentNumber(): Promise<number> {
    const link = join(this.path, dataLink);
    if ((await this.#files.look(link)) === undefined) return 0;
    return setNumber(await this.#files.readLink(link)) ?? 0;
  }

  async #sets(): Promise<number[]> {
    return (await this.#files.list(this.path)).flatMap((name) => setNumber(name) ?? []);
  }

  async #remove(number: number): Promise<void> {
    await this.#files.remove(join(this.path, `${setPrefix}${number}`));
  }

  async #check(name: string, isOurs: (target: string) => boolean): Promise<void> {
    const path = join(this.path, name);
    const found = await this.#files.look(path);
    if (found === undefined) return;
    const target = found.kind === 'link' ? await this.#files.readLink(path) : undefined;
    if (target !== undefined && isOurs(target)) return;
    const what = target !== undefined ? `a link to ${target}` : found.kind === 'directory' ? 'a directory' : 'a file';
    throw new CertplaneError(
      'output.path-unusable',
      `${path} is ${what} that Certplane did not put there, and is left alone. ` +
        'Move it away, or choose another directory for this output.',
    );
  }
}

function setNumber(name: string): number | undefined {
  const digits = /^\.\.certplane-([1-9]\d{0,14})$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
