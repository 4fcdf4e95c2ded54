/** What people write at first, and the sentence that helps them on. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { loadConfig } from '../../src/config/load.ts';
import { tempDir } from '../support/tempdir.ts';
import { problemsOf } from './loading.ts';

const local = 'issuers: { local: { ca: {} } }\n';

interface Case {
  title: string;
  yaml: string;
  problems: string[];
}

const cases: Case[] = [
  {
    title: 'a section with nothing behind it',
    yaml: 'issuers:\n  local:\n    ca:\nterminator:\n',
    problems: [
      '3:8: error: issuers.local.ca: There is nothing behind the colon; write { lifetime: 10y }, or leave the line out.',
      '4:12: error: terminator: There is nothing behind the colon; write {}, or leave the line out.',
    ],
  },
  {
    title: 'an entry with nothing in it',
    yaml: `${local}certificates:\n  shop:\n    dnsNames:\n      -\n`,
    problems: [
      '5:8: error: certificates.shop.dnsNames[0]: This entry is empty; write shop.example.com, or leave the line out.',
    ],
  },
  {
    title: 'a word that YAML 1.1 took for false',
    yaml: 'terminator: { http: off, https: { listen: ":8443" } }\n',
    problems: ['1:21: error: terminator.http: "off" is text here; write false to turn it off.'],
  },
  {
    title: 'a mapping in place of which something else stands',
    yaml: `${local}certificates:\n  shop: { dnsNames: [shop.example.com], key: rsa, outputs: [{ files: ./live }] }\n`,
    problems: [
      '3:46: error: certificates.shop.key: A mapping of options belongs here, not "rsa"; write { algorithm: ecdsa, size: 256 }.',
      '3:70: error: certificates.shop.outputs[0].files: A mapping of options belongs here, not "./live"; write { directory: ./live/shop }.',
    ],
  },
  {
    title: 'a command of no words',
    yaml: `${local}certificates:\n  shop: { dnsNames: [shop.example.com], outputs: [{ files: { directory: ./live }, reloadCommand: [] }] }\n`,
    problems: [
      '3:83: error: certificates.shop.outputs[0].reloadCommand: A command is a list of 1 to 256 words, not a list of 0; write [nginx, -s, reload].',
    ],
  },
  {
    title: 'what is not there yet',
    yaml: `
alerts: { mail: ops@example.com }
issuers: { le: { acme: { directory: letsencrypt, solvers: [{ http01: {}, dns-01: { provider: route53 } }] } } }
certificates: { shop: { dnsNames: [shop.example.com], profile: shortlived } }
`,
    problems: [
      '2:1: error: alerts: "alerts" is not there yet: leave it out; /metrics carries what alerts are made from.',
      '3:74: error: issuers.le.acme.solvers[0].dns-01: "dns-01" is not there yet: names are proved over http-01 only; write http01: {}, or use a private issuer.',
      '4:55: error: certificates.shop.profile: "profile" is not there yet: leave it out; an ACME CA issues by its default profile.',
    ],
  },
  {
    title: 'a variable in a path',
    yaml: `dataDir: \${HOME}/data\n${local}certificates:\n  shop: { dnsNames: [shop.example.com], outputs: [{ files: { directory: "\${LIVE}/shop" } }] }\n`,
    problems: [
      '1:10: error: dataDir: Variables stand for secrets only, and "${HOME}/data" is a path; write ~/….',
      '4:73: error: certificates.shop.outputs[0].files.directory: Variables stand for secrets only, and "${LIVE}/shop" is a path; write the path itself.',
    ],
  },
  {
    title: 'a key without its colon',
    yaml: `${local}certificate\n`,
    problems: ['2:1: error: There is no colon behind "certificate"; write one, and a value behind it.'],
  },
  {
    title: 'nothing to do',
    yaml: "admin: { listen: '127.0.0.1:8484' }\n",
    problems: [
      '1:1: warning: The file has no certificates and no terminator: nothing is issued and nothing is served.',
    ],
  },
  {
    title: 'a lifetime that the root of the private CA does not have',
    yaml: `
issuers: { short: { ca: { lifetime: 30d } }, long: { ca: {} } }
certificates:
  never: { dnsNames: [a.localhost], issuers: [short], lifetime: 90d }
  maybe: { dnsNames: [b.localhost], issuers: [short, long], lifetime: 90d }
  good: { dnsNames: [c.localhost], issuers: [short], lifetime: 30d }
`,
    problems: [
      '4:65: error: certificates.never.lifetime: The root of short lasts 30d itself, and signs nothing for longer; write a shorter lifetime, or a longer one for the ca.',
      '5:71: warning: certificates.maybe.lifetime: The root of short lasts 30d itself, and signs nothing for longer; write a shorter lifetime, or a longer one for the ca.',
    ],
  },
];

for (const { title, yaml, problems } of cases) {
  test(`check helps on: ${title}`, async () => {
    const found = await problemsOf(yaml);
    assert.deepEqual(
      found.map((line) => line.replace(/^certplane\.yaml:\s?/, '')),
      problems,
    );
  });
}

test('a file that is no UTF-8 text is not guessed at', async () => {
  await using dir = await tempDir();
  const file = dir.join('certplane.yaml');
  for (const bytes of [Buffer.from('dataDir: caf\xe9\n', 'latin1'), Buffer.from('\ufeffdataDir: a\n', 'utf16le')]) {
    await writeFile(file, bytes);
    const { config, problems } = await loadConfig({ file, env: {} });
    assert.equal(config, undefined);
    assert.deepEqual(
      problems.map(({ message }) => message),
      ['The file is not UTF-8 text; save it as UTF-8.'],
    );
  }
});

test('a pipe that nobody writes to is no file, and holds nobody up', async () => {
  await using dir = await tempDir();
  await mkdir(dir.join('conf'));
  const file = dir.join('conf', 'certplane.yaml');
  execFileSync('mkfifo', [file]);
  const { problems } = await loadConfig({ file, env: {} });
  assert.deepEqual(
    problems.map(({ message }) => message),
    [`${file} is not a file.`],
  );
});
