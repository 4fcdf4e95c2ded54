/** Bad input in the terminator's section and the sentences it gets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemsOf } from './loading.ts';

interface Case {
  title: string;
  /** Below `terminator:`. */
  yaml: string;
  /** Path and sentence; the position is not repeated here. */
  problems: string[];
}

const head = `issuers: { local: { ca: {} }, le: { acme: { directory: letsencrypt } }, quick: { selfSigned: {} } }
defaults: { issuers: [local] }
certificates: { shop: { dnsNames: [shop.example.com] } }
terminator:`;

const cases: Case[] = [
  {
    title: 'listeners and proxies',
    yaml: `
  https: { proxyProtocol: true }
  trustedProxies: []
`,
    problems: [
      'error: terminator.https.proxyProtocol: Who may send PROXY headers has to be said, because they name the client; write trustedProxies: [10.0.0.0/8].',
    ],
  },
  {
    title: 'a group without a user',
    yaml: `
  group: www-data
`,
    problems: ['error: terminator.group: A group alone is not enough for workers to give up rights; write user, too.'],
  },
  {
    title: 'proxies that are everybody',
    yaml: `
  trustedProxies: [0.0.0.0/0, 10.0.0.1/8, proxy.internal]
`,
    problems: [
      'error: terminator.trustedProxies[1]: "10.0.0.1/8" has bits behind its prefix; write 10.0.0.0/8.',
      'error: terminator.trustedProxies[2]: "proxy.internal" is not a network; write for example 10.0.0.0/8, "fd00::/8" or 192.0.2.7.',
    ],
  },
  {
    title: 'one of the proxies is everybody',
    yaml: `
  trustedProxies: ["::/0"]
`,
    problems: [
      'warning: terminator.trustedProxies[0]: ::/0 is everybody, and everybody can then say which address they come from; write the networks of your proxies.',
    ],
  },
  {
    title: 'TLS',
    yaml: `
  tls:
    preset: old
    minVersion: 1.1
    ciphers: [RC4-SHA]
    curves: []
    alpn: [h3]
    hsts: { preload: true, maxAge: 30 }
    clientCertificates: { mode: maybe, depth: 99 }
    protocols: [TLSv1.2]
`,
    problems: [
      'error: terminator.tls.preset: "old" is not known here; write intermediate or modern.',
      'error: terminator.tls.minVersion: TLS 1.1 is no longer spoken (RFC 8996); write "1.2" or "1.3".',
      'error: terminator.tls.ciphers[0]: "RC4-SHA" is not a cipher suite that can be used with certificates; write one of AES128-GCM-SHA256, AES256-GCM-SHA384, ECDHE-ECDSA-AES128-GCM-SHA256, ECDHE-ECDSA-AES256-GCM-SHA384, ECDHE-ECDSA-CHACHA20-POLY1305, ECDHE-RSA-AES128-GCM-SHA256, ECDHE-RSA-AES256-GCM-SHA384, ECDHE-RSA-CHACHA20-POLY1305.',
      'error: terminator.tls.curves: The list is empty; write [X25519MLKEM768, X25519].',
      'error: terminator.tls.alpn[0]: "h3" is not known here; write h2 or http/1.1.',
      'error: terminator.tls.hsts.maxAge: The duration 30 has no unit; write 30s, 30m, 30h or 30d.',
      'error: terminator.tls.clientCertificates.mode: "maybe" is not known here; write require or optional.',
      'error: terminator.tls.clientCertificates.ca: This is required; write ./clients.pem.',
      'error: terminator.tls.clientCertificates.depth: 99 is not a whole number from 0 to 10.',
      'error: terminator.tls.protocols: The option "protocols" is not known here; leave it out, or write one of preset, minVersion, ciphers, curves, sessionTickets, alpn, ocspStapling, hsts, clientCertificates.',
    ],
  },
  {
    title: 'HSTS preloading, and cipher suites that do nothing or too little',
    yaml: `
  tls: { minVersion: 1.3, ciphers: [ECDHE-RSA-AES128-GCM-SHA256], hsts: { preload: true } }
  hosts: [{ names: [shop.example.com], tls: { minVersion: 1.2, ciphers: [AES128-SHA], hsts: {} } }]
  routes: [{ hosts: [shop.example.com], respond: {} }]
`,
    problems: [
      'warning: terminator.tls.ciphers: These are cipher suites of TLS 1.2, and only TLS 1.3 is spoken here; leave ciphers out, or write minVersion: "1.2".',
      'error: terminator.tls.hsts.preload: Browsers take a host into their preload lists only with maxAge of at least 1y and includeSubdomains; write { maxAge: 1y, includeSubdomains: true, preload: true }, or leave preload out.',
      'warning: terminator.hosts[0].tls.ciphers: AES128-SHA has no forward secrecy or no authenticated encryption, and HTTP/2 refuses it (RFC 9113 appendix A); leave it out where clients allow.',
    ],
  },
  {
    title: 'hosts and the certificates bound to them',
    yaml: `
  hosts:
    - { names: [shop.example.com, www.example.com], certificate: shop }
    - { names: [shop.example.com], certificate: shp }
    - { names: [a.example.com] }
    - { names: [b.exmaple.com], tls: { preset: modern } }
    - { names: [], tls: 3 }
  routes: [{ hosts: [shop.example.com, www.example.com, a.example.com, b.example.com], respond: {} }]
`,
    problems: [
      'error: terminator.hosts[0].names[1]: The certificate shop is not for www.example.com (it is for shop.example.com); add it to its dnsNames, or write another certificate.',
      'error: terminator.hosts[1].names[0]: shop.example.com already stands in terminator.hosts[0].names[0]; write everything about a name into one entry.',
      'error: terminator.hosts[1].certificate: There is no certificate "shp" under certificates; write shop, or define it there.',
      'error: terminator.hosts[2]: This says nothing about these names; write certificate: shop or tls: { preset: modern }.',
      'warning: terminator.hosts[3].names[0]: No route is for b.exmaple.com, so this has no effect; add a route, or mend the name.',
      'error: terminator.hosts[4].names: The list is empty; write [shop.example.com].',
      'error: terminator.hosts[4].tls: A mapping of options belongs here, not 3; write { preset: … }.',
    ],
  },
  {
    title: 'bindings to certificates of sources that are not read',
    yaml: `
  sources: [{ kubernetesSecrets: { namespace: shop } }]
  hosts:
    - { names: [a.example.com], certificate: seen/secrets/shop/a-tls }
    - { names: [b.example.com], certificate: seen/secrets/other/b-tls }
    - { names: [c.example.com], certificate: seen/files/c.pem }
    - { names: [d.example.com], certificate: seen/d.pem }
  routes: [{ hosts: [a.example.com, b.example.com, c.example.com, d.example.com], respond: {} }]
`,
    problems: [
      'error: terminator.hosts[1].certificate: No source under sources has seen/secrets/other/b-tls; add kubernetesSecrets: { namespace: other }, or write another certificate.',
      'error: terminator.hosts[2].certificate: No source under sources has seen/files/c.pem; add files: { directory: /etc/certs }, or write another certificate.',
      'error: terminator.hosts[3].certificate: "seen/d.pem" does not have the expected form: a name under certificates, or the id of a certificate of sources: seen/files/NAME or seen/secrets/NAMESPACE/NAME; write for example shop.',
    ],
  },
  {
    title: 'backends',
    yaml: `
  backends:
    none: {}
    "a b": { endpoints: ["http://127.0.0.1:1"] }
    mixed: { endpoints: ["http://10.0.0.1", "https://10.0.0.2"] }
    twice: { endpoints: ["http://10.0.0.1", { address: "http://10.0.0.1:80", weight: 2 }] }
    idle: { endpoints: [{ address: "http://10.0.0.1", weight: 0 }, { address: "http://10.0.0.2", weight: 2000 }] }
    zero: { endpoints: [{ address: "http://10.0.0.1", weight: 0 }] }
    bare: { endpoints: [3000, "10.0.0.1", { weight: 1 }, { address: "10.0.0.1:80", wieght: 1 }] }
    long: { endpoints: ["unix:/${'x'.repeat(120)}"] }
    scheme: { endpoints: ["h2c://10.0.0.1"], protocol: http1, tls: {} }
    plain: { endpoints: ["https://10.0.0.1"], protocol: tcp, tls: { verify: true } }
    socket: { endpoints: ["unix:/run/a.sock"], tls: {} }
    trust: { endpoints: ["https://10.0.0.1"], tls: { ca: [{ issuer: le }, { issuer: lokal }, { issuer: quick }], clientCertificate: gate, minVersion: 1.0 } }
    health: { endpoints: ["https://10.0.0.1"], health: { interval: 2s, timeout: 3s, host: a, status: 200 } }
    stream: { endpoints: ["tcp://10.0.0.1:1"], health: { path: /x } }
    words: { endpoints: ["https://10.0.0.1"], balance: random, retries: -1, maxConnections: many, timeouts: { connect: 5 }, proxyProtocol: v3 }
`,
    problems: [
      'error: terminator.backends.none.endpoints: This is required; write ["http://10.0.0.2:8080", { address: "http://10.0.0.3:8080", weight: 3 }].',
      'error: terminator.backends["a b"]: "a b" does not have the expected form: letters, digits, dots, dashes and underscores, starting with a letter or digit, at most 63; write for example app.',
      'warning: terminator.backends["a b"]: No route sends anything to the backend a b; name it in one, or leave it out.',
      'error: terminator.backends.mixed.endpoints[1]: All endpoints of a backend are reached in the same way, and terminator.backends.mixed.endpoints[0] is http://; write http:// here, too, or a backend of its own.',
      'error: terminator.backends.twice.endpoints[1]: http://10.0.0.1 is already terminator.backends.twice.endpoints[0]; keep one of them, with a weight if it gets more.',
      'error: terminator.backends.idle.endpoints[1].weight: 2000 is not a whole number from 0 to 1000.',
      'error: terminator.backends.zero.endpoints: Every endpoint has the weight 0, so none would get a request; give one of them a weight.',
      'error: terminator.backends.bare.endpoints[0]: A backend is a URL; write http://127.0.0.1:3000.',
      'error: terminator.backends.bare.endpoints[1]: "10.0.0.1" has no port; write 10.0.0.1:8080.',
      'error: terminator.backends.bare.endpoints[2].address: This is required; write "10.0.0.2:80".',
      'error: terminator.backends.bare.endpoints[3].wieght: The option "wieght" is not known here; write weight.',
      `error: terminator.backends.long.endpoints[0]: The path of a unix socket has at most 107 bytes; write a shorter one than /${'x'.repeat(120)}.`,
      'error: terminator.backends.scheme.protocol: h2c:// means http2, not http1; leave protocol out, or write other URLs.',
      'error: terminator.backends.scheme.tls: h2c:// is without TLS; write h2:// in front of endpoints, or leave tls out.',
      'error: terminator.backends.plain.protocol: https:// does not mean plain TCP; write tcp:// in front of endpoints.',
      'error: terminator.backends.socket.tls: A unix socket has no host to verify; write tls: { serverName: app.internal }.',
      'error: terminator.backends.trust.tls.minVersion: TLS 1 is no longer spoken (RFC 8996); write "1.2" or "1.3".',
      'error: terminator.backends.health.health.timeout: A check may not take longer than the interval; write a shorter timeout.',
      'error: terminator.backends.health.health.host: host belongs to a check that asks for a path; write path: /healthz, too.',
      'error: terminator.backends.health.health.status: status belongs to a check that asks for a path; write path: /healthz, too.',
      'error: terminator.backends.stream.health.path: A path is asked for over HTTP, and this backend speaks plain TCP; leave path out.',
      'error: terminator.backends.words.balance: "random" is no way to choose an endpoint; write round-robin, least-connections, { hash: client-address }, { hash: path }, { hash: { header: x-user } } or { hash: { cookie: session } }.',
      'error: terminator.backends.words.retries: -1 is not a whole number from 0 to 10.',
      'error: terminator.backends.words.maxConnections: "many" is not a whole number from 0 to 1000000.',
      'error: terminator.backends.words.timeouts.connect: The duration 5 has no unit; write 5s, 5m, 5h or 5d.',
      'error: terminator.backends.words.proxyProtocol: "v3" is not known here; write v1 or v2.',
    ],
  },
  {
    title: 'what a backend trusts, and shows',
    yaml: `
  backends:
    trust: { endpoints: ["https://10.0.0.1"], tls: { ca: [{ issuer: le }, { issuer: locl }, { issuer: quick }], clientCertificate: gate } }
    blind: { endpoints: ["https://10.0.0.1"], tls: { verify: false, ca: ca.pem } }
  routes:
    - { hosts: [a.example.com], backend: trust }
    - { hosts: [b.example.com], backend: blind }
`,
    problems: [
      "error: terminator.backends.trust.tls.ca: The issuer le is no private CA, so there is no root of its own to trust; write the path of a PEM file, or leave ca out for the system's CAs.",
      'error: terminator.backends.trust.tls.ca: There is no private CA "locl" under issuers; write local.',
      "error: terminator.backends.trust.tls.ca: The issuer quick is no private CA, so there is no root of its own to trust; write the path of a PEM file, or leave ca out for the system's CAs.",
      'error: terminator.backends.trust.tls.clientCertificate: There is no certificate "gate" under certificates; write one of shop, or define it there.',
      'warning: terminator.backends.blind.tls.verify: Any certificate is taken, so that whoever is in between can read and change everything; write verify: true and ca: ./ca.pem, which can be a private CA.',
      'warning: terminator.backends.blind.tls.ca: ca does nothing with verify: false; leave one of them out.',
    ],
  },
  {
    title: 'backends of routes',
    yaml: `
  backends:
    app: { endpoints: ["http://127.0.0.1:1"] }
    db: { endpoints: ["tcp://127.0.0.1:2"], tls: {} }
    spare: { endpoints: ["http://127.0.0.1:3"] }
    broken: { endpoints: [] }
  routes:
    - { hosts: [a.example.com], backend: ap }
    - { hosts: [b.example.com], backend: server }
    - { hosts: [c.example.com], backend: db }
    - { hosts: [d.example.com], tcp: { backend: app } }
    - { hosts: [e.example.com], passthrough: { backend: db } }
    - { hosts: [f.example.com], tcp: { backend: "https://10.0.0.1" } }
    - { hosts: [g.example.com], backend: "tcp://10.0.0.1:1" }
    - { hosts: [h.example.com], backend: { endpoints: ["10.0.0.1:1"], protocol: tcp } }
    - { hosts: [i.example.com], tcp: {} }
    - { hosts: [j.example.com], backend: [1] }
    - { hosts: [k.example.com], backend: localhost:3000 }
    - { hosts: [l.example.com], backend: broken }
`,
    problems: [
      'warning: terminator.backends.spare: No route sends anything to the backend spare; name it in one, or leave it out.',
      'error: terminator.backends.broken.endpoints: The list is empty; write ["http://10.0.0.2:8080", { address: "http://10.0.0.3:8080", weight: 3 }].',
      'error: terminator.routes[0].backend: There is no backend "ap"; write app, or a URL such as http://ap.',
      'error: terminator.routes[1].backend: There is no backend "server"; write one of app, db, spare, broken, or a URL such as http://server.',
      'error: terminator.routes[2].backend: Requests are sent to a backend that speaks HTTP, and this is plain TCP; write http:// in its URL, or tcp: { backend: … } for the whole host.',
      'error: terminator.routes[3].tcp.backend: Bytes are sent to a backend that speaks plain TCP, and this one speaks HTTP; write tcp:// in its URL, or protocol: tcp.',
      "error: terminator.routes[4].passthrough.backend: The client's own TLS goes through unread, so that none can be added; leave tls out of the backend, or write tcp: { backend: … }.",
      'error: terminator.routes[5].tcp.backend: Bytes are sent to a backend that speaks plain TCP, and this one speaks HTTP; write tcp:// in its URL, or protocol: tcp.',
      'error: terminator.routes[6].backend: Requests are sent to a backend that speaks HTTP, and this is plain TCP; write http:// in its URL, or tcp: { backend: … } for the whole host.',
      'error: terminator.routes[7].backend: Requests are sent to a backend that speaks HTTP, and this is plain TCP; write http:// in its URL, or tcp: { backend: … } for the whole host.',
      'error: terminator.routes[8].tcp.backend: This is required; write tcp://127.0.0.1:5432.',
      'error: terminator.routes[9].backend: A backend is a URL, not a list; write http://127.0.0.1:3000.',
      'error: terminator.routes[10].backend: A backend is a URL with http:// in front; write http://localhost:3000.',
    ],
  },
  {
    title: 'what a route does, and what goes with it',
    yaml: `
  routes:
    - { hosts: [a.example.com] }
    - { hosts: [b.example.com], respond: {}, redirect: { host: x.example.com } }
    - { hosts: [c.example.com], respond: {}, rewrite: { stripPrefix: true }, hostHeader: x, requestHeaders: { remove: [x-a] } }
    - { hosts: [d.example.com], tcp: { backend: "tcp://10.0.0.1:1" }, path: /x, methods: [GET], headers: { x-a: true }, http: serve, responseHeaders: { remove: [x-a] } }
    - { hosts: [e.example.com], passthrough: { backend: "tcp://10.0.0.1:1" }, automaticCertificate: true }
    - { hosts: [f.example.com], backend: "http://a:1", rewrite: { replacePrefix: /a, replacePath: /b } }
    - { hosts: [g.example.com], backend: "http://a:1", path: { exact: /x }, rewrite: { stripPrefix: true } }
    - { hosts: [h.example.com], backend: "http://a:1", path: { regex: /x+ }, rewrite: { replacePrefix: /y } }
    - { hosts: [i.example.com], backend: "http://a:1", rewrite: { stripPrefix: false } }
    - { hosts: [j.example.com], redirect: {} }
    - { hosts: [k.example.com], redirect: { scheme: https } }
    - { hosts: [l.example.com], redirect: { host: l.example.com, scheme: https } }
    - { hosts: [m.example.com], redirect: { path: /a, prefix: /b, status: 304 } }
    - { hosts: [n.example.com], redirect: { path: /a, prefix: /b } }
    - { hosts: [o.example.com], path: { exact: /x }, redirect: { prefix: /y } }
    - { hosts: [p.example.com], path: { regex: "/(?=x)" }, respond: {} }
    - { hosts: [q.example.com], methods: [get], headers: { Host: a }, respond: { status: 700 } }
    - { hosts: [s.example.com], respond: { status: 204, body: x } }
    - { hosts: [r.example.com], requestHeaders: { set: { host: x } }, responseHeaders: { add: { connection: close } }, backend: "http://a:1" }
`,
    problems: [
      'error: terminator.routes[0]: A route has exactly one of backend, respond, redirect, tcp and passthrough, and here is none; write backend: http://127.0.0.1:3000 or respond: { status: 200 }.',
      'error: terminator.routes[1]: A route has exactly one of backend, respond, redirect, tcp and passthrough, and here is respond and redirect; write backend: http://127.0.0.1:3000 or respond: { status: 200 }.',
      'error: terminator.routes[2].rewrite: rewrite goes with backend, not with respond; leave it out.',
      'error: terminator.routes[2].hostHeader: hostHeader goes with backend, not with respond; leave it out.',
      'error: terminator.routes[2].requestHeaders: requestHeaders goes with backend, not with respond; leave it out.',
      'error: terminator.routes[3].path: A tcp route has its hosts whole and sees no paths; leave path out.',
      'error: terminator.routes[3].methods: methods goes with backend, respond, redirect, not with tcp; leave it out.',
      'error: terminator.routes[3].headers: headers goes with backend, respond, redirect, not with tcp; leave it out.',
      'error: terminator.routes[3].http: A tcp route is reached over TLS only; leave http out.',
      'error: terminator.routes[3].responseHeaders: responseHeaders goes with backend, respond, redirect, not with tcp; leave it out.',
      'error: terminator.routes[4].automaticCertificate: The backend shows its own certificate, so none is ordered for passthrough; leave automaticCertificate out.',
      'error: terminator.routes[5].rewrite: A rewrite is exactly one of stripPrefix: true, replacePrefix and replacePath; write one of them.',
      "error: terminator.routes[6].rewrite.stripPrefix: The route's path is exact, not a prefix; write replacePath: /.",
      "error: terminator.routes[7].rewrite.replacePrefix: The route's path is a regex, not a prefix; write replacePath: /y.",
      'error: terminator.routes[8].rewrite: A rewrite is exactly one of stripPrefix: true, replacePrefix and replacePath; write one of them.',
      'error: terminator.routes[9].redirect: This leads to where the request came from; write a host, port, path or prefix that differs.',
      'error: terminator.routes[10].redirect: Plain http leads to https by itself (http: redirect), and https would lead to itself; write a host, port, path or prefix, too.',
      'error: terminator.routes[11].redirect: This leads to where the request came from; write a host, port, path or prefix that differs.',
      'error: terminator.routes[12].redirect.status: 304 is no redirect; write 308 or 307 (the method stays), 301, 302 or 303.',
      'error: terminator.routes[13].redirect: A redirect changes the path by path or by prefix, not by both; leave one of them out.',
      "error: terminator.routes[14].redirect.prefix: The route's path is exact, not a prefix; write path: /y.",
      'error: terminator.routes[15].path: Look-around ((?=…)) cannot be matched in linear time; write several routes instead.',
      'error: terminator.routes[16].methods[0]: Methods are upper-case; write GET.',
      'error: terminator.routes[16].headers: The Host header is what hosts is for; leave it out here.',
      'error: terminator.routes[16].respond.status: 700 is not a whole number from 200 to 599.',
      'error: terminator.routes[17].respond.body: A response with status 204 has no body (RFC 9110 §15); leave body out, or write another status.',
      'error: terminator.routes[18].requestHeaders.set: The Host header for a backend is an option of its own; write hostHeader: app.internal.',
      'error: terminator.routes[18].responseHeaders.add: The header connection belongs to the connection and is set by itself; leave it out.',
    ],
  },
  {
    title: 'routes that nobody could reach',
    yaml: `
  routes:
    - { hosts: [a.example.com], path: /x, methods: [GET, PUT], headers: { x-a: "1", x-b: true }, respond: {} }
    - { hosts: [a.example.com], path: /x/, methods: [PUT, GET], headers: { X-B: true, X-A: 1 }, respond: {} }
    - { hosts: [a.example.com], path: { exact: /x }, respond: {} }
    - { hosts: [a.example.com], path: /x, methods: [GET], respond: {} }
    - { hosts: [a.example.com], path: "/%78", methods: [GET], respond: {} }
    - { hosts: [a.example.com], tcp: { backend: "tcp://10.0.0.1:1" } }
    - { hosts: [b.example.com], passthrough: { backend: "tcp://10.0.0.1:1" } }
    - { hosts: [b.example.com], path: /x, respond: {} }
    - { hosts: ["*.example.com"], name: rest, respond: {} }
    - { hosts: [c.example.com], name: rest, respond: {} }
`,
    problems: [
      'error: terminator.routes[1].hosts[0]: a.example.com with path /x, for the same methods and headers, is already routed by terminator.routes[0].hosts[0]; write another path, or leave one out.',
      'error: terminator.routes[4].hosts[0]: a.example.com with path /x, for the same methods and headers, is already routed by terminator.routes[3].hosts[0]; write another path, or leave one out.',
      'error: terminator.routes[5].hosts[0]: a.example.com is already routed by terminator.routes[0].hosts[0], and a tcp or passthrough route has its hosts for itself; leave it out of one of them.',
      'error: terminator.routes[7].hosts[0]: b.example.com is already routed by terminator.routes[6].hosts[0], and a tcp or passthrough route has its hosts for itself; leave it out of one of them.',
      'error: terminator.routes[9].name: terminator.routes[8] is already called rest; write another name.',
    ],
  },
  {
    title: 'what two parts cannot have together',
    yaml: `
  defaultHost: raw.example.com
  hosts:
    - { names: ["*.example.com"], tls: { clientCertificates: { ca: clients.pem } } }
    - { names: [raw.example.com], tls: { preset: modern } }
  routes:
    - { hosts: [app.example.com], respond: {}, http: serve }
    - { hosts: [raw.example.com], passthrough: { backend: "tcp://10.0.0.1:1" } }
`,
    problems: [
      'error: terminator.defaultHost: raw.example.com goes through to its backend unread, so there is no certificate of it to answer with; write another host.',
      'warning: terminator.hosts[1].names[0]: TLS for raw.example.com goes through to its backend unread, so this has no effect; leave it out.',
      'error: terminator.routes[0].http: Over plain http nobody is asked for a certificate, and app.example.com has clientCertificates; leave http out.',
    ],
  },
  {
    title: 'limits, timeouts, the access log and ticket keys',
    yaml: `
  limits: { header: 100, body: 10MB, headerCount: 1, connections: -1, streamsPerConnection: 0 }
  timeouts: { tunnelIdle: 1h, idle: 0, backendConnect: 5s }
  accessLog: { format: common, sample: 10% }
  ticketKeys: { files: keys }
`,
    problems: [
      'error: terminator.limits.header: The size 100 has no unit; write 100B, 100KiB or 100MiB.',
      'error: terminator.limits.body: "10MB" is not a size; write 10MiB.',
      'error: terminator.limits.headerCount: 1 is not a whole number from 10 to 10000.',
      'error: terminator.limits.connections: -1 is not a whole number from 0 to 10000000.',
      'error: terminator.limits.streamsPerConnection: 0 is not a whole number from 1 to 65535.',
      'error: terminator.timeouts.idle: The duration 0 has no unit; write 0s, 0m, 0h or 0d.',
      'error: terminator.timeouts.backendConnect: The option "backendConnect" is not known here; leave it out, or write one of handshake, header, body, idle, tunnelIdle, drain.',
      'error: terminator.accessLog.format: "common" is not known here; write json or combined.',
      'error: terminator.accessLog.sample: "10%" is not a share above 0 and up to 1; write 0.1.',
      'error: terminator.ticketKeys.file: This is required; write /etc/certplane/ticket.keys.',
      'error: terminator.ticketKeys.files: The option "files" is not known here; write file.',
    ],
  },
];

for (const { title, yaml, problems } of cases) {
  test(`check says what to write instead: ${title}`, async () => {
    const lines = await problemsOf(head + yaml);
    const found = lines.map((line) => line.replace(/^certplane\.yaml:\d+:\d+: /, ''));
    assert.deepEqual(found.toSorted(), problems.toSorted());
  });
}

test('the admin page needs a host that a tcp route does not have for itself', async () => {
  const lines = await problemsOf(`admin: { hosts: [db.example.com] }
${head} { routes: [{ hosts: [db.example.com], tcp: { backend: "tcp://10.0.0.1:1" } }] }
`);
  assert.deepEqual(lines, [
    'certplane.yaml:1:18: error: admin.hosts[0]: db.example.com belongs whole to the tcp route db.example.com/, so the admin page cannot be there; write another name.',
  ]);
});
