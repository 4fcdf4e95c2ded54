import assert from 'node:assert/strict';
import { test } from 'node:test';
import { banner } from '../../src/main/banner.ts';
import { loaded } from '../config/loading.ts';

const loginLink = 'http://127.0.0.1:8484/login?code=abc';

async function bannerOf(yaml: string, roots: [string, string][] = []): Promise<string> {
  const config = await loaded(yaml);
  return banner({ config, loginLink, roots: new Map(roots), serving: true, terms: [] });
}

const site = (more: string): string => `
issuers: { local: { ca: {} } }
terminator:
  https: { listen: '127.0.0.1:8443' }
  routes: [{ hosts: [hello.localhost], respond: {} }]
${more}`;

test('the banner leads to the admin page through the terminator, too', async () => {
  const text = await bannerOf(site('admin: { hosts: [admin.example.com] }'));
  assert.match(text, /^ {2}dashboard {2}http:\/\/127\.0\.0\.1:8484 {2}https:\/\/admin\.example\.com:8443$/m);
  assert.match(
    text,
    /^ {4}http:\/\/127\.0\.0\.1:8484\/login\?code=abc\n {4}https:\/\/admin\.example\.com:8443\/login\?code=abc$/m,
  );
  assert.doesNotMatch(await bannerOf(site('')), /^ {4}https:/m);
});

test('the line that proves it works can be pasted, whatever the directory is called', async () => {
  const text = await bannerOf(site(''), [['local', "/srv/it's here/ca/local.pem"]]);
  assert.ok(text.includes(`curl --cacert '/srv/it'\\''s here/ca/local.pem' --connect-to hello.localhost:8443:`), text);
});
