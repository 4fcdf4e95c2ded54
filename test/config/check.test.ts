import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { checkConfig } from '../../src/config/check.ts';
import { formatProblem } from '../../src/config/problems.ts';
import { tempDir, type TempDir } from '../support/tempdir.ts';

/** Something to do. */
const work = 'issuers: { local: { ca: {} } }\ncertificates: { a: { dnsNames: [a.localhost] } }\n';
const keyed = { CERTPLANE_ENCRYPTION_KEY_FILE: '/etc/certplane/key', PATH: '/usr/bin:/bin' };

async function check(dir: TempDir, text: string, options: { env?: NodeJS.ProcessEnv; listen?: boolean } = {}) {
  const file = dir.join('certplane.yaml');
  await writeFile(file, text);
  const { env = keyed, listen = false } = options;
  const { problems } = await checkConfig({ file, env, listen });
  return problems.map((one) => formatProblem('certplane.yaml', one).replaceAll(dir.path, '<dir>'));
}

test('a generated encryption key is reported as guarding the database but not the directory', async () => {
  await using dir = await tempDir();
  const [line] = await check(dir, `dataDir: ./state\n${work}`, { env: {} });
  assert.match(
    line ?? '',
    /^certplane\.yaml:1:10: warning: dataDir: The encryption key is a generated file in <dir>\/state: it guards copies of the database, but not of the whole directory\./,
  );
  assert.deepEqual(await check(dir, `dataDir: ./state\n${work}`, { env: keyed }), []);
  await writeFile(dir.join('certplane-encryption-key'), '');
  assert.deepEqual(await check(dir, `dataDir: ./state\n${work}`, { env: { CREDENTIALS_DIRECTORY: dir.path } }), []);
});

test('a file where the data directory belongs is an error: nothing starts there, whoever starts it', async () => {
  await using dir = await tempDir();
  await writeFile(dir.join('file'), '');
  for (const dataDir of ['file', 'file/below'])
    assert.deepEqual(await check(dir, `dataDir: ./${dataDir}\n${work}`, { env: keyed }), [
      `certplane.yaml:1:10: error: dataDir: <dir>/file is not a directory, so the data directory <dir>/${dataDir} cannot be used; write another path.`,
    ]);
});

test('output directories that cannot be made or written, and reload programs that are not there, are warnings', async (t) => {
  await using dir = await tempDir();
  await writeFile(dir.join('file'), '');
  await mkdir(dir.join('closed'));
  await chmod(dir.join('closed'), 0o500);
  const asRoot = process.getuid?.() === 0;
  if (asRoot) t.diagnostic('root may write everywhere, so the closed directory is not tried');
  const lines = await check(
    dir,
    `issuers: { local: { ca: {} } }
certificates:
  a:
    dnsNames: [a.example.com]
    outputs:
      - files: { directory: new/deep/directory }
        reloadCommand: [sh, -c, "true"]
      - files: { directory: file/below }
        reloadCommand: [no-such-program-at-all]
      - files: { directory: closed/below }
        reloadCommand: [/no/such/program]
`,
  );
  const expected = [
    'certplane.yaml:8:29: warning: certificates.a.outputs[1].files.directory: <dir>/file is not a directory, so the output directory <dir>/file/below cannot be used; write another path.',
    'certplane.yaml:9:9: warning: certificates.a.outputs[1].reloadCommand: There is no program no-such-program-at-all that this user may run; write its full path.',
    ...(asRoot
      ? []
      : [
          'certplane.yaml:10:29: warning: certificates.a.outputs[2].files.directory: This user may not write to <dir>/closed, so the output directory <dir>/closed/below cannot be used; change its owner, or write another path.',
        ]),
    'certplane.yaml:11:9: warning: certificates.a.outputs[2].reloadCommand: There is no program /no/such/program that this user may run; write its full path.',
  ];
  assert.deepEqual(lines, expected);
});

test('addresses are tried only when asked for', async () => {
  await using dir = await tempDir();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  const text = `admin: { listen: "127.0.0.1:0" }
metrics: false
terminator: { https: { listen: ["127.0.0.1:${port}", "192.0.2.1:9"] }, http: false }
`;
  assert.deepEqual(await check(dir, text), []);
  const lines = await check(dir, text, { listen: true });
  server.close();
  assert.deepEqual(lines, [
    `certplane.yaml:3:24: error: terminator.https.listen: 127.0.0.1:${port} cannot be opened: another program has it open; stop that one, or write another port.`,
    'certplane.yaml:3:24: error: terminator.https.listen: 192.0.2.1:9 cannot be opened: this machine does not have that address; write 127.0.0.1, 0.0.0.0 or another of its own.',
  ]);
});

const challenged = (listen: string, admin = 0): string => `admin: { listen: "127.0.0.1:${admin}" }
metrics: false
issuers:
  le: { acme: { directory: letsencrypt, solvers: [{ http01: { listen: "${listen}" }, dnsZones: [a.example.org] }, { http01: { listen: "${listen}" } }] } }
  unused: { acme: { directory: letsencrypt, solvers: [{ http01: { listen: "127.0.0.1:8484" } }] } }
certificates: { a: { dnsNames: [a.example.org], issuers: [le] } }
`;

test('without a terminator the listener for challenges is tried, too, and cannot have the address of another', async () => {
  await using dir = await tempDir();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  assert.deepEqual(await check(dir, challenged(`127.0.0.1:${port}`), { listen: true }), [
    `certplane.yaml:4:71: error: issuers.le.acme.solvers[0].http01.listen: 127.0.0.1:${port} cannot be opened: another program has it open; stop that one, or write another port.`,
  ]);
  server.close();
  assert.deepEqual(await check(dir, challenged('127.0.0.1:8485', 8485)), [
    'certplane.yaml:4:71: error: issuers.le.acme.solvers[0].http01.listen: 127.0.0.1:8485 cannot be opened together with 127.0.0.1:8485 of admin.listen; write another port.',
  ]);
  const through = `${challenged('127.0.0.1:8484', 8484)}terminator: { https: { listen: "127.0.0.1:8443" }, http: { listen: "127.0.0.1:8080" } }`;
  assert.deepEqual(await check(dir, through), [], 'the terminator answers');
});

const yaml = (more: string): string => `kubernetes: { kubeconfig: kube.yaml${more} }\n${work}`;

test('a kubeconfig that is missing, broken or without the context is a warning; a good one is none', async () => {
  await using dir = await tempDir();
  const [missing] = await check(dir, yaml(''));
  assert.equal(
    missing,
    'certplane.yaml:1:27: warning: kubernetes.kubeconfig: There is no file <dir>/kube.yaml. Write the path of a kubeconfig.',
  );
  await writeFile(dir.join('kube.yaml'), 'just text');
  assert.match((await check(dir, yaml('')))[0] ?? '', /kubernetes\.kubeconfig: <dir>\/kube\.yaml is not a kubeconfig/);
  const contexts = '[{ name: prod, context: { cluster: a } }, { name: old, context: { cluster: gone } }]';
  await writeFile(dir.join('kube.yaml'), `clusters: [{ name: a }]\ncontexts: ${contexts}\n`);
  assert.match((await check(dir, yaml('')))[0] ?? '', /has no current context; write context: prod beside it\.$/);
  assert.deepEqual(await check(dir, yaml(', context: prod')), []);
  for (const context of ['old', 'nobody']) {
    const [line] = await check(dir, yaml(`, context: ${context}`));
    assert.match(line ?? '', new RegExp(`kubernetes\\.context: .* has no context ${context}; it has prod\\.$`));
  }
});

test('without a kubeconfig, a pod or one in the home directory is needed', async () => {
  await using dir = await tempDir();
  const env = { ...keyed, HOME: dir.path };
  assert.match(
    (await check(dir, `kubernetes: {}\n${work}`, { env }))[0] ?? '',
    /kubernetes: There are no Kubernetes credentials/,
  );
  assert.deepEqual(
    await check(dir, `kubernetes: {}\n${work}`, { env: { ...env, KUBERNETES_SERVICE_HOST: '127.0.0.1' } }),
    [],
  );
  await mkdir(dir.join('.kube'));
  await writeFile(dir.join('.kube', 'config'), '');
  assert.deepEqual(await check(dir, `kubernetes: {}\n${work}`, { env }), []);
});

test('a source directory that is not there, or is no directory, is a warning', async () => {
  await using dir = await tempDir();
  await writeFile(dir.join('file'), '');
  await mkdir(dir.join('there'));
  const lines = await check(
    dir,
    'terminator: { sources: [{ files: { directory: gone } }, { files: { directory: file } }, { files: { directory: there } }] }',
  );
  assert.deepEqual(
    lines.map((line) => line.replace(/^\S+ /, '')),
    [
      'warning: terminator.sources[0].files.directory: There is no directory <dir>/gone, so nothing is served from it; make it, or write another path.',
      'warning: terminator.sources[1].files.directory: <dir>/file is not a directory; write the path of one.',
    ],
  );
});
