import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { after, before, suite, test } from 'node:test';
import { findTool, missingTools } from '../../support/tools.ts';
import { file, fileBytes, sha256, startProtocolSite, type ProtocolSite, type Seen } from './site.ts';

const versions = ['--http1.1', '--http2'] as const;
/** Behind them backends of HTTP/1.1 and of h2c. */
const hosts = ['one.test', 'two.test'] as const;

suite('curl', { skip: await missingTools('curl') }, () => {
  let site: ProtocolSite;
  const large = Buffer.alloc(8_000_000, 'a line that is repeated, of a length that divides nothing\n');

  before(async () => {
    site = await startProtocolSite();
    await writeFile(site.directory.join('large'), large);
  });
  after(async () => await site[Symbol.asyncDispose]());

  async function curl(
    args: readonly string[],
    { code = 0, input = '' } = {},
  ): Promise<{ stdout: string; stderr: string }> {
    const port = site.terminator.httpsPort;
    const known = hosts.flatMap((host) => [
      ['--connect-to', `${host}:443:127.0.0.1:${port}`],
      ['--connect-to', `${host}:${port}:127.0.0.1:${port}`],
      ['--connect-to', `${host}:80:127.0.0.1:${site.terminator.httpPort}`],
    ]);
    const program = await findTool('curl');
    const result = await program.run(['-sS', '--cacert', site.caFile, ...known.flat(), ...args], { input });
    assert.equal(result.code, code, result.stderr);
    return result;
  }

  for (const version of versions) {
    for (const host of hosts) {
      const name = `${version.slice(2)} to ${host === 'one.test' ? 'HTTP/1.1' : 'h2c'}`;
      const url = `https://${host}`;

      test(`${name}: ranges, an interrupted download that goes on, and one that asks for too much`, async () => {
        const part = await curl([
          version,
          '-r',
          '1000-1999',
          '-D',
          '-',
          '-o',
          site.directory.join('part'),
          `${url}/file`,
        ]);
        assert.match(part.stdout, /^HTTP\/\S+ 206[\s\S]*content-range: bytes 1000-1999\/1000000\r/i);
        assert.deepEqual(await readFile(site.directory.join('part')), file.subarray(1000, 2000));
        const end = await curl([
          version,
          '-r',
          '-10',
          '-o',
          site.directory.join('part'),
          '-w',
          '%{http_code}',
          `${url}/file`,
        ]);
        assert.equal(end.stdout, '206');
        assert.deepEqual(await readFile(site.directory.join('part')), file.subarray(-10));

        await writeFile(site.directory.join('rest'), file.subarray(0, 123_456));
        await curl([version, '-C', '-', '-o', site.directory.join('rest'), `${url}/file`]);
        assert.deepEqual(await readFile(site.directory.join('rest')), file);
        const beyond = await curl([version, '-r', '2000000-', '-D', '-', '-o', '/dev/null', `${url}/file`]);
        assert.match(beyond.stdout, /^HTTP\/\S+ 416[\s\S]*content-range: bytes \*\/1000000\r/i);
      });

      test(`${name}: HEAD says what GET would, and has no body`, async () => {
        const { stdout } = await curl([version, '-I', `${url}/file`, `${url}/file`, '-w', '%{size_download}\\n']);
        assert.equal([...stdout.matchAll(/^content-length: 1000000\r$/gim)].length, 2);
        assert.equal([...stdout.matchAll(/^etag: "/gim)].length, 2);
        assert.deepEqual(stdout.match(/^\d+$/gm), ['0', '0']);
      });

      test(`${name}: 8 MB up with 100-continue and without a length, 8 times 1 MB down at once, by their checksums`, async () => {
        const before_ = site.http.expected.length + site.h2c.expected.length;
        const expect = ['-H', 'Expect: 100-continue', '--expect100-timeout', '30'];
        const whole = await curl([version, ...expect, '-T', site.directory.join('large'), `${url}/up`]);
        const seen = JSON.parse(whole.stdout) as Seen;
        assert.deepEqual([seen.method, seen.bytes, seen.sha256], ['PUT', large.length, sha256(large)]);
        assert.equal(seen.headers['content-length'], String(large.length));
        if (version === '--http1.1')
          assert.equal(site.http.expected.length + site.h2c.expected.length, before_ + 1, 'the backend was asked');
        const stream = await curl([version, '-T', '-', `${url}/up`], { input: large.toString() });
        assert.equal((JSON.parse(stream.stdout) as Seen).sha256, sha256(large));

        const targets = Array.from({ length: 8 }, (_, i) => ['-o', site.directory.join(`down${i}`), `${url}/file`]);
        const down = await curl([version, '-Z', ...targets.flat(), '-w', '%{http_code} %{size_download} ']);
        assert.equal(down.stdout, `200 ${fileBytes} `.repeat(8));
        for (let i = 0; i < 8; i += 1) assert.deepEqual(await readFile(site.directory.join(`down${i}`)), file);
      });

      test(`${name}: trailers of an answer come behind its body`, async () => {
        const { stdout } = await curl([
          version,
          '-D',
          '-',
          '-o',
          site.directory.join('body'),
          '-H',
          'TE: trailers',
          `${url}/trailers`,
        ]);
        const body = await readFile(site.directory.join('body'));
        assert.match(stdout, new RegExp(`x-sum: ${sha256(body)}\\r`, 'i'));
      });
    }

    test(`${version.slice(2)}: requests follow each other on one connection`, async () => {
      const urls = Array.from({ length: 20 }, (_, i) => `https://one.test/${i}`);
      const { stdout } = await curl([
        version,
        ...urls.flatMap((url) => ['-o', '/dev/null', url]),
        '-w',
        '%{http_code}:%{num_connects} ',
      ]);
      assert.equal(stdout, `200:1 ${'200:0 '.repeat(19)}`);
    });
  }

  for (const host of hosts) {
    test(`a refusal from ${host} instead of 100 reaches a client before it has sent its body`, async () => {
      const expect = ['-H', 'Expect: 100-continue', '--expect100-timeout', '30', '-T', site.directory.join('large')];
      const written = '%{http_code} %{size_upload}';
      // Over HTTP/2 curl does not wait.
      const { stdout } = await curl([
        '--http1.1',
        ...expect,
        '-w',
        written,
        '-o',
        '/dev/null',
        `https://${host}/refuse`,
      ]);
      assert.equal(stdout, '403 0');
    });
  }

  test('http leads to https, and a POST stays one', async () => {
    const { stdout } = await curl([
      '-L',
      '--post301',
      '-d',
      'body',
      '-w',
      '\n%{num_redirects} %{url_effective}',
      'http://one.test/a?b=c',
    ]);
    const [json = '', end] = stdout.split('\n');
    const { method, bytes, url } = JSON.parse(json) as Seen;
    assert.deepEqual([method, bytes, url], ['POST', 4, '/a?b=c']);
    assert.match(String(end), /^1 https:\/\/one\.test:\d+\/a\?b=c$/);
  });

  test('compressed answers, cookies, credentials and odd headers go through unchanged', async () => {
    const { stdout } = await curl([
      '--compressed',
      '-u',
      'me:secret',
      '-b',
      'a=1; b="2"',
      '-H',
      'X-Odd: ~!@#$%^&*()_+ é',
      '-A',
      '',
      'https://one.test/x',
    ]);
    const { headers } = JSON.parse(stdout) as Seen;
    assert.match(String(headers['accept-encoding']), /gzip/);
    assert.equal(headers['authorization'], `Basic ${Buffer.from('me:secret').toString('base64')}`);
    assert.equal(headers['cookie'], 'a=1; b="2"');
    assert.equal(Buffer.from(String(headers['x-odd']), 'latin1').toString(), '~!@#$%^&*()_+ é');
    assert.equal(headers['user-agent'], undefined);
  });

  test('HTTP/1.0 gets an answer without chunks, and a connection that ends with it', async () => {
    const { stdout } = await curl(['--http1.0', '-D', '-', '-o', '/dev/null', 'https://one.test/trailers']);
    assert.match(stdout, /^HTTP\/1\.[01] 200/);
    assert.doesNotMatch(stdout, /transfer-encoding/i);
  });

  test('a name that the certificate does not carry, and a version too old, are refused by curl and by us', async () => {
    const other = ['--connect-to', `other.test:443:127.0.0.1:${site.terminator.httpsPort}`, 'https://other.test/'];
    assert.match((await curl(other, { code: 35 })).stderr, /unrecognized name|alert/);
    await curl(['--tls-max', '1.1', '--ciphers', 'ALL:@SECLEVEL=0', 'https://one.test/'], { code: 35 });
  });
});
