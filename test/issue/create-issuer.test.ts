import assert from 'node:assert/strict';
import test from 'node:test';
import { silentLog } from '../../src/core/ports/log.ts';
import { createIssuer } from '../../src/issue/create-issuer.ts';
import type { Http01SolverConfig, IssuerConfig } from '../../src/config/model.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { drive, failed } from './support/drive.ts';

const signal = new AbortController().signal;

test('each kind of configuration gives the issuer of that kind and name', async () => {
  const configs: IssuerConfig[] = [
    { kind: 'acme', name: 'a', directory: 'https://localhost:1/dir', solvers: [] },
    { kind: 'ca', name: 'b', lifetimeMs: 86_400_000 },
    { kind: 'selfSigned', name: 'c' },
  ];
  const deps = { store: new MemoryStore(), clock: new ManualClock(), log: silentLog, solver: () => assert.fail() };
  for (const config of configs) {
    const issuer = createIssuer(config, deps);
    const description = await issuer.describe(signal);
    assert.equal(description.kind, config.kind);
    assert.equal(description.name, config.name);
    assert.equal(issuer.name, config.name);
    await issuer[Symbol.asyncDispose]?.();
  }
});

test('an ACME name is given to the solver that selects it, and refused where none does', async () => {
  const asked: Http01SolverConfig[] = [];
  const listen = { host: '127.0.0.1', port: 1 };
  const solvers: Http01SolverConfig[] = [{ kind: 'http01', listen, dnsNames: ['a.example.com'] }];
  const config = { kind: 'acme', name: 'a', directory: 'https://localhost:1/dir', solvers } as const;
  const deps = {
    store: new MemoryStore(),
    clock: new ManualClock(),
    log: silentLog,
    solver: (chosen: Http01SolverConfig) => {
      asked.push(chosen);
      return { present: async () => undefined, cleanUp: async () => undefined };
    },
  };
  const issuer = createIssuer(config, deps);
  const request = {
    certificateId: 'file/x',
    dnsNames: ['a.example.com', 'b.example.com'],
    key: { algorithm: 'ecdsa', size: 256 },
  } as const;
  const { error } = failed(await drive(issuer, request, { wait: async () => undefined }));
  assert.equal(error.code, 'challenge.no-solver');
  assert.match(error.message, /No solver of issuer a is for b\.example\.com/);
  assert.deepEqual(asked, solvers);
  await issuer[Symbol.asyncDispose]?.();
});
