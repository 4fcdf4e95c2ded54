/** TLS Secrets as a certificate source. An outage of the API server is trouble, never a removal (never §5.7). */
import type { Bundle, ChainFacts } from '../../core/bundle.ts';
import { findPrivateKey, readBundle } from '../../core/bundle.ts';
import { CertplaneError, toCertplaneError } from '../../core/errors.ts';
import type { CertificateItem, Revision } from '../../core/feed.ts';
import { feedKey } from '../../core/feed.ts';
import type { CertificateSource, SourceEvent } from '../../core/ports/certificate-source.ts';
import type { KubernetesObject, WatchClient } from './api-client.ts';
import { reflect, type ReflectorDeps } from './reflector.ts';

export interface SecretSourceDeps extends Omit<ReflectorDeps, 'client'> {
  /** Finds the API server and its credentials; called again until it succeeds. The source disposes of the client. */
  readonly connect: () => Promise<WatchClient>;
}

/** A missing kubeconfig or token file is looked for again this often. */
const reconnectMs = 15_000;

interface TlsSecret extends KubernetesObject {
  readonly type?: string;
  readonly data?: Readonly<Record<string, string>>;
}

export interface SecretSourceOptions {
  /** Absent: all namespaces. */
  readonly namespace: string | undefined;
  readonly selector: string | undefined;
}

export function createSecretSource(
  deps: SecretSourceDeps,
  { namespace, selector }: SecretSourceOptions,
): CertificateSource {
  const held = new Map<string, { item: CertificateItem; bundle: Bundle }>();
  const epoch = `k${Math.floor(deps.random.next() * 2 ** 40).toString(36)}`;
  let sequence = 0;
  const revision = (): Revision => ({ epoch, sequence: (sequence += 1) });

  /** Secrets that cannot be used, by id; the last good version of each stays. */
  const unusable = new Map<string, { code: string; message: string; subject: string }>();

  /** The item to serve for a Secret; undefined where there is nothing new. */
  function take(secret: TlsSecret): CertificateItem | undefined {
    const id = idOf(secret);
    try {
      const { bundle, facts } = readSecret(secret);
      const item: CertificateItem = {
        kind: 'certificate',
        certificateId: id,
        versionId: `${id}#${facts.fingerprint256.slice(0, 16)}`,
        ...pick(facts),
      };
      held.set(id, { item, bundle });
      unusable.delete(id);
      return item;
    } catch (error) {
      const { code, message } = toCertplaneError(error);
      unusable.set(id, { code, message, subject: secretName(secret) });
      return undefined;
    }
  }

  /** The problem to show now: an unusable Secret, or none. */
  const state = (): SourceEvent => ({ type: 'trouble', problem: unusable.values().next().value });

  return {
    name: `secrets:${namespace ?? '*'}`,
    async *subscribe({ signal }) {
      const path =
        namespace === undefined ? '/api/v1/secrets' : `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets`;
      const target = { path, fieldSelector: 'type=kubernetes.io/tls', labelSelector: selector };
      let client: WatchClient | undefined;
      while (client === undefined && !signal.aborted) {
        try {
          client = await deps.connect();
        } catch (error) {
          const { code, message } = toCertplaneError(error, 'kubernetes.not-configured');
          yield { type: 'trouble', problem: { code, message } };
          await deps.clock.sleep(reconnectMs, signal).catch(() => undefined); // aborted: the loop's condition ends it
        }
      }
      if (client === undefined) return;
      await using _closing = client;
      for await (const event of reflect<TlsSecret>({ ...deps, client }, target, signal)) {
        switch (event.type) {
          case 'replace': {
            const present = new Set(event.objects.map(idOf));
            for (const map of [held, unusable]) for (const id of map.keys()) if (!present.has(id)) map.delete(id);
            // What cannot be used keeps its last good item in the snapshot.
            const items = event.objects.flatMap((secret) => take(secret) ?? held.get(idOf(secret))?.item ?? []);
            yield { type: 'snapshot', items, revision: revision(), complete: true };
            yield state();
            break;
          }
          case 'upsert': {
            const item = take(event.object);
            if (item !== undefined) yield { type: 'item', item, revision: revision() };
            yield state();
            break;
          }
          case 'delete': {
            const id = idOf(event.object);
            const item = held.get(id)?.item;
            held.delete(id);
            unusable.delete(id);
            if (item !== undefined) yield { type: 'removed', key: feedKey(item), revision: revision() };
            yield state();
            break;
          }
          case 'trouble': {
            const { code, message } = event.error;
            yield { type: 'trouble', problem: { code, message, subject: `${event.failures} failures in a row` } };
            break;
          }
          case 'recovered':
            yield state();
            break;
        }
      }
    },
    material(versionId) {
      const found = held.get(versionId.slice(0, versionId.lastIndexOf('#')));
      return found !== undefined && found.item.versionId === versionId
        ? Promise.resolve(found.bundle)
        : Promise.reject(
            new CertplaneError('store.not-found', `The Secret of ${versionId} has another version now, or is gone.`),
          );
    },
  };
}

function readSecret(secret: TlsSecret): { bundle: Bundle; facts: ChainFacts } {
  const chainPem = decode(secret, 'tls.crt');
  const keyPem = findPrivateKey(decode(secret, 'tls.key'));
  if (keyPem === undefined)
    throw new CertplaneError('certificate.unparsable', `Secret ${secretName(secret)} has no private key in tls.key.`);
  const bundle = { chainPem, keyPem };
  return { bundle, facts: readBundle(bundle) };
}

function decode(secret: TlsSecret, key: string): string {
  const data = secret.data?.[key];
  if (data === undefined || data.length > 1_500_000) {
    throw new CertplaneError('certificate.unparsable', `Secret ${secretName(secret)} has no usable ${key}.`);
  }
  return Buffer.from(data, 'base64').toString('utf8');
}

function idOf(secret: TlsSecret): string {
  return `seen/secrets/${secretName(secret)}`;
}

function secretName(secret: TlsSecret): string {
  return `${secret.metadata.namespace ?? ''}/${secret.metadata.name}`;
}

function pick(
  facts: ChainFacts,
): Pick<CertificateItem, 'names' | 'notBefore' | 'notAfter' | 'serial' | 'fingerprint256'> {
  const { names, notBefore, notAfter, serial, fingerprint256 } = facts;
  return { names, notBefore, notAfter, serial, fingerprint256 };
}
