/** Files and a reload command as an output. */
import { join } from 'node:path';
import { maxBundleBytes, readBundle, type Bundle } from '../core/bundle.ts';
import type { FilesOutput } from '../core/certificate.ts';
import { CertplaneError } from '../core/errors.ts';
import type { Output } from '../core/ports/output.ts';
import { fileContents, fileMode, fileNames, type FileName } from './file-set.ts';
import { realFileSystem, type FileSystem, type NewFile } from './file-system.ts';
import { resolveOwner } from './owners.ts';
import type { ReloadCommands } from './reload-commands.ts';
import { SetDirectory } from './set-directory.ts';

export interface FilesOutputDeps {
  /** Shared by all outputs, so that one run can be for many of them. */
  readonly reloads: ReloadCommands;
  readonly fileSystem?: FileSystem;
}

/** `combined.pem` is a chain and a key. */
const maxFileBytes = 2 * maxBundleBytes;

/**
 * Writes fullchain.pem, privkey.pem, chain.pem, cert.pem and combined.pem as one set, switched by one rename: a reader
 * that resolves the directory once, or reads `combined.pem`, never sees a mix; one that opens two paths can for the
 * length of that rename, which is why the reload command runs after it.
 *
 * `deliver` throws `certificate.*` for a bundle that does not fit together, and `output.path-unusable`,
 * `output.write-failed`, `output.owner-unknown`: the set that was there stays. `output.reload-failed` and
 * `output.reload-timeout` come after the switch. A set that is there already is not written again; the command is run.
 * `current` reads the set in use, whatever became of the links to it; `intact` is judged as its consumers would see it.
 */
export function createFilesOutput(spec: FilesOutput, deps: FilesOutputDeps): Output {
  const { reloads, fileSystem = realFileSystem } = deps;
  const directory = new SetDirectory(spec.directory, fileSystem);

  async function wantedFiles(contents: Readonly<Record<FileName, string>>): Promise<Map<FileName, NewFile>> {
    const owner = await resolveOwner(spec, fileSystem);
    return new Map(
      fileNames.map((name) => [name, { content: contents[name], mode: fileMode(name, spec.group), ...owner }]),
    );
  }

  async function areThere(files: ReadonlyMap<FileName, NewFile>, base: string): Promise<boolean> {
    for (const [name, file] of files) if (!(await isAsWanted(join(base, name), file))) return false;
    return true;
  }

  async function isAsWanted(path: string, file: NewFile): Promise<boolean> {
    const found = await fileSystem.follow(path);
    return (
      found?.kind === 'file' &&
      found.mode === file.mode &&
      (file.uid === -1 || found.uid === file.uid) &&
      (file.gid === -1 || found.gid === file.gid) &&
      (await fileSystem.read(path, maxFileBytes)) === file.content
    );
  }

  async function readFrom(base: string, name: FileName): Promise<string> {
    return (await fileSystem.read(join(base, name), maxFileBytes)) ?? '';
  }

  async function isIntact(bundle: Bundle): Promise<boolean> {
    try {
      return await areThere(await wantedFiles(fileContents(bundle)), spec.directory);
    } catch (error) {
      if (isAboutFiles(error)) return false;
      throw error;
    }
  }

  return {
    spec,
    async deliver(version, signal, onSwitched) {
      signal.throwIfAborted();
      readBundle(version.bundle);
      try {
        const files = await wantedFiles(fileContents(version.bundle));
        await directory.prepare(fileNames);
        const current = await directory.current();
        if (current !== undefined && (await areThere(files, current))) await directory.link(fileNames);
        else await directory.write(files);
        await directory.tidy();
      } catch (error) {
        throw fileError(error, spec.directory);
      }
      if (spec.reloadCommand === undefined || spec.reloadCommand.length === 0) return;
      onSwitched?.();
      const { keyPem } = version.bundle;
      await reloads.run({ argv: spec.reloadCommand, timeoutMs: spec.reloadTimeoutMs, keyPem }, signal);
    },
    async current(signal) {
      signal.throwIfAborted();
      try {
        const base = await directory.current();
        if (base === undefined) return undefined;
        const bundle = { chainPem: await readFrom(base, 'fullchain.pem'), keyPem: await readFrom(base, 'privkey.pem') };
        const { fingerprint256, names, notBefore, notAfter } = readBundle(bundle);
        return { fingerprint256, names, notBefore, notAfter, intact: await isIntact(bundle) };
      } catch (error) {
        // Whatever is wrong with what is there, `deliver` puts right or names.
        if (isAboutFiles(error)) return undefined;
        throw error;
      }
    },
  };
}

function isAboutFiles(error: unknown): boolean {
  return error instanceof CertplaneError || (error as NodeJS.ErrnoException).code !== undefined;
}

const unusable: Readonly<Record<string, string>> = {
  EACCES: 'this user may not write there',
  EPERM: 'this user may not set that owner or mode there',
  EROFS: 'the file system is read-only',
  ENOENT: 'a directory of the path is missing, and none can be made in its place',
  ENOTDIR: 'a part of the path is not a directory',
  EEXIST: 'something that is not a directory is in its place',
  ELOOP: 'the path has too many links',
  ENAMETOOLONG: 'the path is too long',
};

function fileError(error: unknown, directory: string): CertplaneError {
  if (error instanceof CertplaneError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  const why = unusable[code];
  return why === undefined
    ? new CertplaneError('output.write-failed', `The files in ${directory} could not be written: ${message}.`, {
        cause: error,
      })
    : new CertplaneError('output.path-unusable', `${directory} cannot be used: ${why}.`, { cause: error });
}
