/** `certplane terminator`: supervisor, sources and last-good copy, until it is told to stop. */
import { join } from 'node:path';
import type { Config } from '../config/model.ts';
import { findDataDir } from '../config/data-dir.ts';
import { isAbort } from '../core/errors.ts';
import type { CertificateSource } from '../core/ports/certificate-source.ts';
import type { Log } from '../core/ports/log.ts';
import type { SourceSpec, TerminatorSettings } from '../core/terminator.ts';
import { systemClock as clock } from '../core/system-clock.ts';
import { createWatchClient } from '../kubernetes/watch/api-client.ts';
import { connectTo } from '../kubernetes/watch/connection.ts';
import { createSecretSource } from '../kubernetes/watch/secret-source.ts';
import { createLastGoodCache } from '../terminator/last-good/cache.ts';
import { PassedSockets, takeActivation } from '../terminator/pool/activation.ts';
import { createFeedSource } from '../terminator/source/feed-source.ts';
import { createFilesSource } from '../terminator/source/files-source.ts';
import { createSupervisor, type Supervisor } from '../terminator/supervisor.ts';
import { isShrunk, readMarker } from './applied-marker.ts';
import { processLog } from './process-log.ts';
import { readConfig, type ConfigLocation } from './read-config.ts';
import { limitStop } from './stop-limit.ts';
import { parentPipeVariable, stopSignals } from './stop.ts';

/** Several terminators of one control plane will be told apart by it. */
const terminatorId = 'local';

/** Resolves the exit code. Throws what prevents the start. */
export async function runTerminator(options: ConfigLocation): Promise<number> {
  using signals = stopSignals();
  let confirm: (() => void) | undefined;
  let hungUp = false;
  process.on('SIGHUP', () => {
    if (confirm === undefined) hungUp = true;
    else confirm();
  });
  const log = processLog('terminator');
  const { file, config } = await readConfig(options);
  // A file with errors does not keep it from serving: the last-good copy has settings and certificates.
  const dataDir = config?.dataDir ?? (await findDataDir({ file, env: process.env, dataDir: options.dataDir }));
  const sockets = passedSockets(log);
  try {
    const settings = config === undefined ? undefined : await settingsToStartWith(config);
    await using supervisor = wireTerminator({ dataDir, settings, sockets, log });
    limitStop({
      signals,
      openMs: () => supervisor.status().drainMs,
      waitingFor: () => supervisor.status().waitingFor,
      log,
    });
    signals.force.addEventListener('abort', () => supervisor.cut());
    await supervisor.start(signals.stop);
    let confirming: Promise<void> = Promise.resolve();
    confirm = () => {
      log.info('Certificates that sources lost and that are held are let go (SIGHUP).');
      confirming = confirming
        .then(async () => await supervisor.confirmShrink())
        .catch((error: unknown) => log.error('They could not be let go.', { error: String(error) }));
    };
    if (hungUp) confirm();
    signals.ready();
    await signals.stopped;
    await confirming;
    return 0;
  } catch (error) {
    if (signals.stop.aborted && isAbort(error)) return 0;
    throw error;
  }
}

/** Those of the file, unless control holds it: then those of the last-good copy. */
async function settingsToStartWith(config: Config): Promise<TerminatorSettings | undefined> {
  const marker = await readMarker(config.dataDir);
  const held = marker !== undefined && marker.terminator && isShrunk(config, marker);
  return held ? undefined : config.terminator;
}

interface TerminatorDeps {
  readonly dataDir: string;
  /** From the configuration file; the feed's replace them. */
  readonly settings: TerminatorSettings | undefined;
  readonly sockets: PassedSockets | undefined;
  readonly log: Log;
}

/** Of systemd, to this process or to the `certplane run` that has started it. */
function passedSockets(log: Log): PassedSockets | undefined {
  const parent = process.env[parentPipeVariable] === undefined ? [] : [process.ppid];
  const activation = takeActivation(process.env, [process.pid, ...parent]);
  if (activation === undefined) return undefined;
  const sockets = new PassedSockets(activation);
  for (const descriptor of sockets.unusable)
    log.warn('A descriptor that was passed is no TCP socket; it is left alone.', { descriptor });
  return sockets;
}

function wireTerminator({ dataDir, settings, sockets, log }: TerminatorDeps): Supervisor {
  const own = join(dataDir, 'terminator');

  function sourceFor(spec: SourceSpec, inForce: () => TerminatorSettings | undefined): CertificateSource {
    if (spec.kind === 'files') return createFilesSource({ directory: spec.directory, clock, log });
    return createSecretSource(
      {
        connect: async () => createWatchClient(await connectTo(inForce()?.kubernetes ?? {}, process.env)),
        clock,
        random: { next: Math.random },
        log,
      },
      { namespace: spec.namespace, selector: spec.selector },
    );
  }

  return createSupervisor({
    feed: createFeedSource({ socketPath: join(dataDir, 'run', 'feed.sock'), terminatorId, clock, log }),
    sourceFor,
    settings,
    cache: createLastGoodCache({ directory: join(own, 'last-good'), keyFile: join(own, 'last-good.key') }),
    sockets,
    terminatorId,
    clock,
    log,
  });
}
