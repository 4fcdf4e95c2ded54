import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { hasCode } from '../../src/core/errors.ts';
import { EncryptionKey, loadEncryptionKey } from '../../src/store/encryption.ts';
import { rejectsWith } from '../contract/certificate-store.ts';
import { tempDir } from '../support/tempdir.ts';
import { openStore } from './opening.ts';

test('what is sealed opens to the same text, under the same identity and key only', () => {
  const key = EncryptionKey.generate();
  const text = fc.string({ unit: 'binary', maxLength: 300 });
  fc.assert(
    fc.property(text, text, text, (identity, other, plaintext) => {
      const sealed = key.seal(identity, plaintext);
      assert.equal(key.open(identity, sealed), plaintext);
      if (other !== identity)
        assert.throws(
          () => key.open(other, sealed),
          (error) => hasCode(error, 'store.corrupt'),
        );
      assert.throws(
        () => EncryptionKey.generate().open(identity, sealed),
        (error) => hasCode(error, 'store.key-wrong'),
      );
      assert.notDeepEqual(key.seal(identity, plaintext), sealed, 'no two seals are alike');
    }),
  );
});

test('a sealed text that was changed in any bit, or cut, does not open', () => {
  const key = EncryptionKey.generate();
  const sealed = key.seal('order/a', 'the private key');
  fc.assert(
    fc.property(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ mask;
      assert.throws(
        () => key.open('order/a', changed),
        (error) => hasCode(error, 'store.corrupt') || hasCode(error, 'store.key-wrong'),
      );
      assert.throws(() => key.open('order/a', sealed.subarray(0, at)));
    }),
  );
});

test('never (§5.9): printing a key shows nothing of it', () => {
  const key = EncryptionKey.generate();
  const shown = `${inspect(key, { depth: 9, showHidden: true })} ${JSON.stringify({ key })}`;
  assert.equal(shown.includes(key.toFileContent().trim()), false);
  assert.doesNotMatch(shown, /[0-9a-f]{16}|[A-Za-z0-9+/]{30}/);
});

test('the first start makes a key of its own (0600), the second finds it', async () => {
  await using directory = await tempDir();
  const dataDir = directory.join('data');
  const first = await loadEncryptionKey({ dataDir, env: {}, createIfMissing: true });
  assert.deepEqual([first.origin, first.path], ['generated', join(dataDir, 'encryption.key')]);
  assert.equal(statSync(first.path).mode & 0o777, 0o600);
  assert.equal(statSync(dataDir).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(dataDir), ['encryption.key']);
  const second = await loadEncryptionKey({ dataDir, env: {}, createIfMissing: false });
  assert.ok(second.key.equals(first.key));
  assert.equal(second.key.equals(EncryptionKey.generate()), false);
});

test('CERTPLANE_ENCRYPTION_KEY_FILE comes first, then the systemd credential', async () => {
  await using directory = await tempDir();
  const credentials = directory.join('credentials');
  mkdirSync(credentials);
  const [fileKey, credentialKey] = [randomBytes(32), randomBytes(32)];
  const file = directory.join('my.key');
  writeFileSync(file, `${fileKey.toString('hex')}\n`, { mode: 0o600 });
  const credential = join(credentials, 'certplane-encryption-key');
  writeFileSync(credential, credentialKey.toString('base64'), { mode: 0o440 });
  const dataDir = directory.join('data');
  const both = { CERTPLANE_ENCRYPTION_KEY_FILE: file, CREDENTIALS_DIRECTORY: credentials };
  const fromFile = await loadEncryptionKey({ dataDir, env: both, createIfMissing: true });
  assert.ok(fromFile.key.equals(new EncryptionKey(fileKey)));
  assert.deepEqual([fromFile.origin, fromFile.path], ['file', file]);
  const env = { CREDENTIALS_DIRECTORY: credentials };
  const fromCredential = await loadEncryptionKey({ dataDir, env, createIfMissing: true });
  assert.ok(fromCredential.key.equals(new EncryptionKey(credentialKey)));
  assert.deepEqual([fromCredential.origin, fromCredential.path], ['systemd-credential', credential]);
  // systemd's own file named by the variable is as well guarded as by its directory.
  const named = { CERTPLANE_ENCRYPTION_KEY_FILE: credential, CREDENTIALS_DIRECTORY: credentials };
  assert.equal((await loadEncryptionKey({ dataDir, env: named, createIfMissing: true })).origin, 'file');
  assert.equal(statSync(dataDir, { throwIfNoEntry: false }), undefined, 'nothing was made in the data directory');
});

test('a key is read as base64, as hex and as 32 raw bytes, and nothing else is one', () => {
  const bytes = Buffer.concat([randomBytes(31), Buffer.of(0)]);
  const key = new EncryptionKey(bytes);
  for (const content of [bytes, bytes.toString('hex'), `${bytes.toString('base64')}\r\n`, bytes.toString('base64url')])
    assert.ok(EncryptionKey.parse(Buffer.from(content))?.equals(key));
  for (const content of ['', 'secret', 'x'.repeat(32), 'ab'.repeat(16), 'zz'.repeat(32), randomBytes(33)])
    assert.equal(EncryptionKey.parse(Buffer.from(content)), undefined);
  assert.throws(() => new EncryptionKey(Buffer.alloc(16)), /32 bytes/);
});

test('a key file that is missing, open to others, or no key is refused with what to do', async () => {
  await using directory = await tempDir();
  const dataDir = directory.join('data');
  const file = directory.join('my.key');
  const load = loadEncryptionKey.bind(undefined, {
    dataDir,
    env: { CERTPLANE_ENCRYPTION_KEY_FILE: file },
    createIfMissing: true,
  });
  const fails = async (message: RegExp): Promise<void> => {
    await assert.rejects(load(), (error: Error) => hasCode(error, 'store.key-missing') && message.test(error.message));
  };
  await fails(/does not exist/);
  writeFileSync(file, EncryptionKey.generate().toFileContent(), { mode: 0o600 });
  for (const mode of [0o644, 0o640, 0o604, 0o660]) {
    chmodSync(file, mode);
    await fails(/chmod 600/);
  }
  chmodSync(file, 0o600);
  writeFileSync(file, 'not-a-key-but-SECRET-LOOKING');
  await fails(/openssl rand -base64 32/);
  await assert.rejects(load(), (error: Error) => !inspect(error).includes('SECRET-LOOKING'));
  writeFileSync(file, 'A'.repeat(1_000_000));
  await fails(/does not hold an encryption key/);
  assert.equal(statSync(dataDir, { throwIfNoEntry: false }), undefined);
});

test('a database without its key is refused; no new key is made beside it', async () => {
  await using directory = await tempDir();
  const dataDir = directory.join('data');
  await (await openStore(dataDir, EncryptionKey.generate()))[Symbol.asyncDispose]();
  await rejectsWith(loadEncryptionKey({ dataDir, env: {}, createIfMissing: true }), 'store.key-missing');
  assert.equal(statSync(join(dataDir, 'encryption.key'), { throwIfNoEntry: false }), undefined);
  await rejectsWith(
    loadEncryptionKey({ dataDir: directory.join('none'), env: {}, createIfMissing: false }),
    'store.key-missing',
  );
});

test('two first starts at once agree on one key', async () => {
  await using directory = await tempDir();
  const dataDir = directory.join('data');
  const load = async (): Promise<string> => {
    const { key } = await loadEncryptionKey({ dataDir, env: {}, createIfMissing: true });
    return key.toFileContent();
  };
  const keys = await Promise.all([load(), load(), load(), load()]);
  assert.deepEqual(new Set(keys), new Set([readFileSync(join(dataDir, 'encryption.key'), 'utf8')]));
});
