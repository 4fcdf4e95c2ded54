/** What every command is given: the global options, where to write, and how to reach the control process. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { connect, type ApiClient } from './client.ts';
import { usageError, type ExitCode } from './failure.ts';
import type { CliIo } from './io.ts';
import { painter, type Paint } from './text.ts';

export interface GlobalOptions {
  readonly config?: string;
  readonly dataDir?: string;
  readonly json?: boolean;
  readonly url?: string;
}

export class Context {
  readonly io: CliIo;
  readonly paint: Paint;
  readonly options: GlobalOptions;

  constructor(io: CliIo, options: GlobalOptions) {
    this.io = io;
    this.paint = painter(io.stdout, io.env);
    this.options = options;
  }

  get json(): boolean {
    return this.options.json === true;
  }

  /** As given or found; throws `config.not-found`. */
  async configFile(): Promise<string> {
    const { findConfigFile } = await import('../config/find.ts');
    return await findConfigFile({ explicit: this.options.config, env: this.io.env, cwd: this.io.cwd });
  }

  /** `--data-dir`, absolute. */
  get dataDirOption(): string | undefined {
    return this.options.dataDir === undefined ? undefined : resolve(this.io.cwd, this.options.dataDir);
  }

  async dataDir(): Promise<string> {
    const given = this.dataDirOption ?? this.io.env['CERTPLANE_DATA_DIR'];
    if (given !== undefined && given !== '') return resolve(this.io.cwd, given);
    const { findDataDir } = await import('../config/data-dir.ts');
    return await findDataDir({ file: await this.configFile(), env: this.io.env });
  }

  /** Over the admin socket, or to `--url` with the token of CERTPLANE_TOKEN. Connects with the first request. */
  async api(): Promise<ApiClient> {
    const { url } = this.options;
    if (url === undefined) return connect({ socketPath: resolve(await this.dataDir(), 'run', 'admin.sock') });
    const token = this.io.env['CERTPLANE_TOKEN'];
    if (token === undefined || token === '') {
      throw usageError('--url needs a token: set CERTPLANE_TOKEN to one that "certplane token create" made.');
    }
    return connect({ url: apiUrl(url), token });
  }

  out(text: string): void {
    this.io.stdout.write(text);
  }

  /** What is no result: progress, hints. Nothing with --json. */
  note(text: string): void {
    if (!this.json) this.io.stderr.write(text);
  }

  outJson(value: unknown): void {
    this.out(`${JSON.stringify(value, undefined, 2)}\n`);
  }
}

/** A token never travels in clear text to another machine. */
function apiUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.password !== '') {
    throw usageError('--url is the address of the admin page; write for example https://certs.example.com.');
  }
  const loopback = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol === 'http:' && !loopback) {
    throw usageError(`--url would send the token in clear text; write https://${url.host}.`);
  }
  return url;
}

/** Runs a command's work with the options it was given, and keeps its exit code. Errors pass through. */
export type Run = (command: Command, work: (context: Context) => Promise<ExitCode>) => Promise<void>;
