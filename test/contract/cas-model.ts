/** The model of a store: a map from key to value and secret, with the revisions that the real store gave out. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { hasCode } from '../../src/core/errors.ts';
import type { CertificateStore, Expectation } from '../../src/core/ports/certificate-store.ts';
import type { AccountRecord } from '../../src/core/records.ts';

export interface CasModel {
  readonly records: Map<string, { value: AccountRecord; secret: string | undefined }>;
  readonly revisions: Map<string, string>;
  /** Revisions that are no longer those of their record. */
  readonly spent: Set<string>;
}

type Expected = 'absent' | 'any' | 'current' | 'spent';
type Command = fc.AsyncCommand<CasModel, CertificateStore>;

function expectation(model: CasModel, key: string, expected: Expected): Expectation {
  if (expected === 'absent' || expected === 'any') return expected;
  const current = model.revisions.get(key);
  const spent = [...model.spent].at(-1) ?? 'never-given-out';
  return { revision: expected === 'current' ? (current ?? spent) : spent };
}

function holds(model: CasModel, key: string, expect: Expectation): boolean {
  if (expect === 'any') return true;
  return expect === 'absent' ? !model.records.has(key) : model.revisions.get(key) === expect.revision;
}

function forget(model: CasModel, key: string): void {
  const revision = model.revisions.get(key);
  if (revision !== undefined) model.spent.add(revision);
  model.revisions.delete(key);
}

class PutCommand implements Command {
  readonly key: string;
  readonly text: string;
  readonly secret: string | undefined;
  readonly expected: Expected;

  constructor(key: string, text: string, secret: string | undefined, expected: Expected) {
    this.key = key;
    this.text = text;
    this.secret = secret;
    this.expected = expected;
  }
  check(): boolean {
    return true;
  }
  async run(model: CasModel, store: CertificateStore): Promise<void> {
    const { key } = this;
    const value: AccountRecord = { issuerName: this.text, directory: 'd', createdAt: 1 };
    const expect = expectation(model, key, this.expected);
    const secret = this.secret === undefined ? {} : { secret: { keyPem: this.secret } };
    const put = store.put('account', { key, value, expect, ...secret });
    if (!holds(model, key, expect)) {
      await assert.rejects(put, (error) => hasCode(error, 'store.conflict'));
      return;
    }
    const revision = await put;
    assert.ok(!model.spent.has(revision) && ![...model.revisions.values()].includes(revision), 'a revision came back');
    forget(model, key);
    model.revisions.set(key, revision);
    model.records.set(key, { value, secret: this.secret ?? model.records.get(key)?.secret });
  }
  toString(): string {
    return `put(${this.key}, ${JSON.stringify(this.text)}, secret ${this.secret ?? 'kept'}, ${this.expected})`;
  }
}

class DeleteCommand implements Command {
  readonly key: string;
  readonly expected: Exclude<Expected, 'absent'>;

  constructor(key: string, expected: Exclude<Expected, 'absent'>) {
    this.key = key;
    this.expected = expected;
  }
  check(): boolean {
    return true;
  }
  async run(model: CasModel, store: CertificateStore): Promise<void> {
    const expect = expectation(model, this.key, this.expected);
    const deletion = store.delete('account', this.key, expect as Exclude<Expectation, 'absent'>);
    if (!holds(model, this.key, expect)) {
      await assert.rejects(deletion, (error) => hasCode(error, 'store.conflict'));
    } else if (model.records.has(this.key)) {
      await deletion;
      forget(model, this.key);
      model.records.delete(this.key);
    } else {
      await assert.rejects(deletion, (error) => hasCode(error, 'store.not-found'));
    }
  }
  toString(): string {
    return `delete(${this.key}, ${this.expected})`;
  }
}

class LookCommand implements Command {
  readonly key: string;

  constructor(key: string) {
    this.key = key;
  }
  check(): boolean {
    return true;
  }
  async run(model: CasModel, store: CertificateStore): Promise<void> {
    const expected = model.records.get(this.key);
    const found = await store.find('account', this.key);
    assert.deepEqual(found?.value, expected?.value);
    assert.equal(found?.revision, model.revisions.get(this.key));
    if (expected?.secret === undefined)
      await assert.rejects(store.secret('account', this.key), (error) => hasCode(error, 'store.not-found'));
    else assert.deepEqual(await store.secret('account', this.key), { keyPem: expected.secret });
    const { items } = await store.list('account', { limit: 10_000 });
    assert.deepEqual(
      items.map((item) => [item.key, item.value]),
      [...model.records].map(([key, { value }]) => [key, value] as const).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    );
  }
  toString(): string {
    return `look(${this.key})`;
  }
}

const key = fc.constantFrom('a', 'a/b', 'b', 'ab');
const text = fc.string({ unit: 'binary', maxLength: 30 });

export const casModelCommands: fc.Arbitrary<Command>[] = [
  fc
    .tuple(
      key,
      text,
      fc.option(text, { nil: undefined }),
      fc.constantFrom<Expected>('absent', 'any', 'current', 'spent'),
    )
    .map(([k, value, secret, expected]) => new PutCommand(k, value, secret, expected)),
  fc
    .tuple(key, fc.constantFrom<Exclude<Expected, 'absent'>>('any', 'current', 'spent'))
    .map(([k, expected]) => new DeleteCommand(k, expected)),
  key.map((k) => new LookCommand(k)),
];
