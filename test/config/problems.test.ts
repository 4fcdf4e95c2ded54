/** Bad input and the sentences it gets: each says what to write instead, at its line and column. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemsOf } from './loading.ts';

interface Case {
  title: string;
  yaml: string;
  problems: string[];
}

const cases: Case[] = [
  {
    title: 'an unquoted name that starts with * gets a sentence of its own',
    yaml: `
terminator:
  routes:
    - hosts: [*.apps.localhost]
      respond: {}
`,
    problems: [
      '3:15: error: terminator.routes[0].hosts[0]: A name that starts with * must be in quotes, because * means an alias in YAML; write "*.apps.localhost".',
      '3:15: error: terminator.routes[0].hosts[0]: A wildcard cannot be proved over http-01 (RFC 8555 §8.3), and letsencrypt has no other solver; write the names one by one, or a private issuer.',
      '3:15: warning: terminator.routes[0].hosts[0]: The public CA behind letsencrypt issues nothing for *.apps.localhost; write a private issuer, for example local: { ca: {} } under issuers.',
    ],
  },
  {
    title: 'a section of the wrong kind',
    yaml: `
certificates:
  - dnsNames: [a.example.com]
`,
    problems: [
      '1:1: error: certificates: A mapping of options belongs here, not a list; write { shop: { dnsNames: [shop.example.com] } }.',
    ],
  },
  {
    title: 'a key with nothing behind it',
    yaml: `
admin:
`,
    problems: ['1:7: error: admin: There is nothing behind the colon; write { listen: … }, or leave the line out.'],
  },
  {
    title: 'an admin page that other machines could reach is refused: access.insecure-listen',
    yaml: `
admin: { listen: 8484 }
`,
    problems: [
      '1:18: error: admin.listen: The admin page has no TLS of its own, and [::]:8484 can be reached from other machines, which is refused (access.insecure-listen); write 127.0.0.1:8484, and a name in admin.hosts to reach it over HTTPS through the terminator.',
    ],
  },
  {
    title: 'addresses',
    yaml: `
admin: { listen: "127.0.0.1" }
metrics: { listen: "localhost:http", terminator: "::1:9403" }
terminator: { https: { listen: "example.com:443" }, http: { listen: [] } }
`,
    problems: [
      '1:18: error: admin.listen: The address 127.0.0.1 has no port; write 127.0.0.1:8443.',
      '2:20: error: metrics.listen: "http" is not a port; write a number from 1 to 65535, for example 127.0.0.1:8443.',
      '2:50: error: metrics.terminator: An IPv6 address stands in brackets with its port behind; write "[::1]:9403".',
      '3:32: error: terminator.https.listen: "example.com:443" names a host; write an IP address of this machine, 127.0.0.1:443, or :443 for all of them.',
      '3:61: error: terminator.http.listen: The list of addresses is empty; write at least one, for example ":443".',
    ],
  },
  {
    title: 'issuers',
    yaml: `
issuers:
  a: {}
  b: { acme: {}, ca: {} }
  c: { acme: { directory: http://ca.example.com/dir, email: Ops } }
  d: { acme: { directory: letsencrypt, caBundle: missing.pem, externalAccount: { keyId: 12, hmacKey: "\${NOT_SET}" } } }
  e: { ca: { lifetime: 1 month } }
  "f g": { selfSigned: {} }
`,
    problems: [
      '2:3: error: issuers.a: An issuer is exactly one of acme, ca and selfSigned, and here is none; write one of them.',
      '3:3: error: issuers.b: An issuer is exactly one of acme, ca and selfSigned, and here is acme and ca; write one of them.',
      '3:8: error: issuers.b.acme.directory: This is required; write letsencrypt.',
      '4:27: error: issuers.c.acme.directory: ACME runs over HTTPS only; write https://ca.example.com/dir.',
      '4:61: error: issuers.c.acme.email: "Ops" does not have the expected form: one address without a name; write for example ops@example.com.',
      '5:50: error: issuers.d.acme.caBundle: There is no file <dir>/missing.pem. Write the path of a PEM file, or leave caBundle out.',
      '5:89: error: issuers.d.acme.externalAccount.keyId: 12 is not text; put it in quotes: "12".',
      '6:24: error: issuers.e.ca.lifetime: "1 month" is not a duration; write 30d.',
      '7:3: error: issuers["f g"]: "f g" does not have the expected form: letters, digits, dots, dashes and underscores, starting with a letter or digit, at most 63; write for example letsencrypt.',
    ],
  },
  {
    title: 'no issuer is clear',
    yaml: `
issuers: { local: { ca: {} }, other: { ca: {} } }
certificates:
  shop: { dnsNames: [shop.example.com] }
`,
    problems: [
      '3:3: error: certificates.shop: Which issuer is meant is not clear, because there are several (local, other); write defaults: { issuers: [local] } or name issuers here.',
    ],
  },
  {
    title: 'with ACME neither a lifetime nor, over http-01, a wildcard',
    yaml: `
certificates:
  shop: { dnsNames: [shop.example.com], lifetime: 90d }
  wild: { dnsNames: ["*.example.com"] }
`,
    problems: [
      '2:41: error: certificates.shop.lifetime: The issuer letsencrypt is an ACME CA, which decides the lifetime itself: leave lifetime out (with ACME, use profile where the CA offers several: an option that a later version of Certplane brings), or write a private issuer.',
      '3:22: error: certificates.wild.dnsNames[0]: A wildcard cannot be proved over http-01 (RFC 8555 §8.3), and letsencrypt has no other solver; write the names one by one, or a private issuer.',
    ],
  },
  {
    title: 'a name that no solver is for',
    yaml: `
issuers:
  le: { acme: { directory: letsencrypt, solvers: [{ http01: {}, dnsZones: [example.com] }] } }
certificates:
  shop: { dnsNames: [shop.example.org, example.com], issuers: [le] }
`,
    problems: [
      '4:22: error: certificates.shop.dnsNames[0]: No solver of le is for shop.example.org; add it to dnsNames or dnsZones of a solver, or write one without them.',
    ],
  },
  {
    title: 'certificates, their names, keys and outputs',
    yaml: `
issuers: { local: { ca: {} } }
certificates:
  a:
    dnsNames: [a.example.com]
    outputs:
      - files: { directory: ./live/a }
      - files: { directory: live/../live/a/ }
      - kubernetesSecret: { namespace: shop, name: tls }
        reloadCommand: [nginx]
  b:
    dnsNames: [b.example.com]
    key: { algorithm: ecdsa, size: 521 }
    outputs:
      - kubernetesSecret: { namespace: shop, name: tls }
      - kubernetesSecret: { namespace: Shop_1, name: TLS }
      - reloadCommand: nginx -s reload
      - {}
  c:
    dnsNames: []
    key: { algorithm: RSA, size: 1024 }
  d:
    dnsNames: ["https://shop.example.com/", "shop.example.com:443", 10.0.0.1, "a b.example.com", "x.*.example.com", "-a.example.com", 12]
    key: { algorithm: rsa, size: 1024 }
`,
    problems: [
      '7:29: error: certificates.a.outputs[1].files.directory: <dir>/live/a is already the output certificates.a.outputs[0]; write another directory.',
      '9:9: error: certificates.a.outputs[2].reloadCommand: reloadCommand belongs to files; a Secret has nothing to reload, so leave it out.',
      '12:36: error: certificates.b.key.size: An ecdsa key cannot have 521 bits; write 256 or 384.',
      '14:52: error: certificates.b.outputs[0].kubernetesSecret.name: The Secret shop/tls is already the output certificates.a.outputs[2]; write another name.',
      '15:40: error: certificates.b.outputs[1].kubernetesSecret.namespace: "Shop_1" is not a Kubernetes name (lower-case letters, digits and dashes); write shop-1.',
      '15:54: error: certificates.b.outputs[1].kubernetesSecret.name: "TLS" is not a Kubernetes name (lower-case letters, digits and dashes); write tls.',
      '16:24: error: certificates.b.outputs[2].reloadCommand: A command is a list, because no shell runs it; write [nginx, -s, reload].',
      '17:9: error: certificates.b.outputs[3]: An output is exactly one of files and kubernetesSecret; write one of them, and a list entry for each.',
      '19:5: error: certificates.c.dnsNames: The list is empty; write [shop.example.com].',
      '20:23: error: certificates.c.key.algorithm: "RSA" is not known here; write rsa.',
      '22:16: error: certificates.d.dnsNames[0]: "https://shop.example.com/" is not a host name; write shop.example.com.',
      '22:45: error: certificates.d.dnsNames[1]: "shop.example.com:443" is not a host name; write shop.example.com.',
      '22:69: error: certificates.d.dnsNames[2]: "10.0.0.1" is not a host name; certificates for IP addresses are not made; write a host name.',
      '22:79: error: certificates.d.dnsNames[3]: "a b.example.com" is not a host name; write each name as an entry of its own, without spaces.',
      '22:98: error: certificates.d.dnsNames[4]: "x.*.example.com" is not a host name; * stands for exactly the first label; write "*.example.com".',
      '22:117: error: certificates.d.dnsNames[5]: "-a.example.com" is not a host name; letters, digits, dashes and dots only, and no part starts or ends with a dash; write for example shop.example.com.',
      '22:135: error: certificates.d.dnsNames[6]: 12 is not a host name; write for example shop.example.com.',
      '23:34: error: certificates.d.key.size: An rsa key cannot have 1024 bits; write 2048, 3072 or 4096.',
    ],
  },
  {
    title: 'routes, sources and listeners',
    yaml: `
terminator:
  workers: 0
  https: { listen: ":443" }
  http: { listen: "0.0.0.0:443" }
  routes:
    - hosts: [shop.example.com]
      backend: 127.0.0.1:3000
    - hosts: [shop.example.com]
      path: api
      backend: https://127.0.0.1:3000
    - hosts: [a.example.com, A.example.com]
      backend: http://user:hunter2@127.0.0.1:3000/path
    - hosts: [b.example.com]
      path: /api/
      respond: { status: 99, headers: { connection: close } }
    - hosts: [c.example.com]
      path: /api
      respond: {}
      backend: http://127.0.0.1:1
    - hosts: [d.example.com]
      path: /api/
      respond: {}
    - hosts: [d.example.com]
      path: /api
      respond: {}
  sources:
    - {}
    - files: { directory: ~ops/certs }
  timeouts: { idle: 75, drain: 2 weeks }
`,
    problems: [
      '2:12: error: terminator.workers: 0 is not a whole number from 1 to 256.',
      '4:19: error: terminator.http.listen: 0.0.0.0:443 cannot be opened together with [::]:443 of terminator.https.listen; write another port.',
      '7:16: error: terminator.routes[0].backend: A backend is a URL with http:// in front; write http://127.0.0.1:3000.',
      '9:13: error: terminator.routes[1].path: A path begins with a slash; write "/api".',
      '11:30: error: terminator.routes[2].hosts[1]: a.example.com with path / is already routed by terminator.routes[2].hosts[0]; write another path, or leave one out.',
      '12:16: error: terminator.routes[2].backend: A backend URL cannot carry credentials; write http://127.0.0.1:3000.',
      '15:26: error: terminator.routes[3].respond.status: 99 is not a whole number from 200 to 599.',
      '15:30: error: terminator.routes[3].respond.headers: The header connection belongs to the connection and is set by itself; leave it out.',
      '16:7: error: terminator.routes[4]: A route has exactly one of backend, respond, redirect, tcp and passthrough, and here is backend and respond; write backend: http://127.0.0.1:3000 or respond: { status: 200 }.',
      '23:15: error: terminator.routes[6].hosts[0]: d.example.com with path /api is already routed by terminator.routes[5].hosts[0]; write another path, or leave one out.',
      '27:7: error: terminator.sources[0]: A source is exactly one of files and kubernetesSecrets; write one of them, and a list entry for each.',
      '28:27: error: terminator.sources[1].files.directory: Only ~/ is expanded; write the full path instead of "~ops/certs".',
      '29:21: error: terminator.timeouts.idle: The duration 75 has no unit; write 75s, 75m, 75h or 75d.',
      '29:32: error: terminator.timeouts.drain: "2 weeks" is not a duration; write 2w.',
    ],
  },
  {
    title: 'a tab',
    yaml: `
terminator:
	routes: []
`,
    problems: ['2:1: error: A tab indents this line, which YAML does not allow; write spaces.'],
  },
  {
    title: 'a bracket that is not closed',
    yaml: `
terminator: { routes: [
`,
    problems: ['2:1: error: A [ or { that was opened is not closed before this line; write the closing ] or }.'],
  },
  {
    title: 'two documents',
    yaml: `
a: 1
---
b: 2
`,
    problems: ['2:1: error: The file holds a second document after "---"; write everything into one.'],
  },
  {
    title: 'a tag',
    yaml: `
admin: &a { listen: "127.0.0.1:1" }
metrics: *b
terminator: !x {}
`,
    problems: [
      '3:13: error: Tags (a value that starts with !) mean nothing here; put the value in quotes, or leave the tag out.',
    ],
  },
  {
    title: 'merge keys',
    yaml: `
admin: { <<: { listen: "127.0.0.1:1" } }
`,
    problems: [
      '1:10: error: admin["<<"]: Merge keys (<<) are not supported; write the options out, or use an alias for a whole value.',
    ],
  },
  {
    title: 'reserved characters',
    yaml: `
admin: { listen: @here }
`,
    problems: ['1:18: error: A value that starts with @ must be in quotes; put it in "…".'],
  },
  {
    title: 'text that is no mapping',
    yaml: `
just words
`,
    problems: ['1:1: error: The file is "just words"; write options such as terminator: { routes: [] }.'],
  },
  {
    title: 'unknown sections, with the nearest known one',
    yaml: `
terminatr: {}
certficates: {}
colour: blue
`,
    problems: [
      '1:1: error: terminatr: The option "terminatr" is not known here; write terminator.',
      '2:1: error: certficates: The option "certficates" is not known here; write certificates.',
      '3:1: error: colour: The option "colour" is not known here; leave it out, or write one of dataDir, admin, metrics, issuance, defaults, issuers, certificates, kubernetes, terminator.',
    ],
  },
  {
    title: 'a terminator that listens nowhere',
    yaml: `
terminator: { https: false, http: false }
`,
    problems: [
      '1:1: error: terminator: The terminator listens nowhere; write https: { listen: ":443" }, or leave the section out.',
    ],
  },
  {
    title: 'unknown options, also as other programs call them',
    yaml: `
certificates:
  shop:
    dns_names: [shop.example.com]
    domains: [shop.example.com]
    renew_before: 30d
`,
    problems: [
      '2:3: error: certificates.shop.dnsNames: This is required; write [shop.example.com].',
      '3:5: error: certificates.shop.dns_names: The option "dns_names" is not known here; write dnsNames.',
      '4:5: error: certificates.shop.domains: The option "domains" is not known here; write dnsNames.',
      '5:5: error: certificates.shop.renew_before: The option "renew_before" is not known here; leave it out, or write one of dnsNames, issuers, key, lifetime, outputs.',
    ],
  },
  {
    title: 'unknown issuers',
    yaml: `
defaults: { issuers: [letsencrpt] }
certificates: { shop: { dnsNames: [shop.example.com], issuers: nope } }
`,
    problems: [
      '1:23: error: defaults.issuers[0]: There is no issuer "letsencrpt"; write letsencrypt.',
      '2:64: error: certificates.shop.issuers: A list belongs here, not "nope"; write [letsencrypt].',
    ],
  },
  {
    title: 'numbers, text and names',
    yaml: `
issuance: { concurrency: many }
kubernetes: { context: 12 }
terminator: { defaultHost: "*.example.com" }
`,
    problems: [
      '1:26: error: issuance.concurrency: "many" is not a whole number from 1 to 256.',
      '2:24: error: kubernetes.context: 12 is not text; put it in quotes: "12".',
      '3:28: error: terminator.defaultHost: A wildcard cannot stand here; write one name, for example admin.example.com.',
    ],
  },
];

for (const { title, yaml, problems } of cases) {
  test(`check says what to write instead: ${title}`, async () => {
    const lines = await problemsOf(yaml.slice(1));
    assert.deepEqual(
      lines.map((line) => line.replace('certplane.yaml:', '')),
      problems,
    );
  });
}
