/** Contract data as the server would send it, for states that are slow or hard to bring about for real. */
import { createHash } from 'node:crypto';
import { certificateDetailSchema, type CertificateDetail } from '../../src/api/contract/certificates.ts';
import {
  historyEntrySchema,
  issuerSchema,
  terminatorSchema,
  type HistoryEntry,
  type Issuer,
  type Terminator,
} from '../../src/api/contract/overview.ts';

const minuteMs = 60_000;
const dayMs = 86_400_000;

function time(at: number): string {
  return new Date(at).toISOString();
}

export function serialOf(seed: number): string {
  return (BigInt(seed) * 0x9e3779b97f4a7c15n + 0x1234567890abcdefn)
    .toString(16)
    .toUpperCase()
    .padStart(20, '0')
    .slice(-20);
}

function fingerprintOf(serial: string): string {
  return createHash('sha256').update(serial).digest('hex');
}

const fine = { code: 'ok', message: 'As it should be.' };

const okChecks: CertificateDetail['checks'] = [
  check('config', 'Configuration', 'The configuration names it.'),
  check('issuer', 'Issuer', 'The issuer answers.'),
  check('issuance', 'Issuance', 'Version 3 is in use.'),
  check('delivery', 'Delivery', 'Every output has version 3.'),
  check('terminator', 'Terminator', 'The terminator is connected.'),
  check('served', 'Served', 'Every terminator serves version 3.'),
];

/** The same checks; those for which `change` has something become that. */
function changed(
  checks: CertificateDetail['checks'],
  change: (link: string, index: number) => Partial<CertificateDetail['checks'][number]> | undefined,
): CertificateDetail['checks'] {
  return checks.map((one, index) => Object.assign({}, one, change(one.link, index)));
}

function check(
  link: string,
  title: string,
  message: string,
  more: Partial<CertificateDetail['checks'][number]> = {},
): CertificateDetail['checks'][number] {
  return { link, title, verdict: 'ok', code: 'ok', message, advice: null, ...more };
}

/** A healthy certificate, a third into its life; `over` replaces what differs. */
export function certificate(id: string, now: number, over: Partial<CertificateDetail> = {}): CertificateDetail {
  const name = over.name ?? id.slice(id.lastIndexOf('/') + 1);
  const names = over.names ?? [`${name}.example.com`];
  const notBefore = over.notBefore ?? time(now - 30 * dayMs);
  const notAfter = over.notAfter ?? time(now + 60 * dayMs);
  const renewAt = over.renewAt ?? time(now + 30 * dayMs);
  const serial = over.serial ?? serialOf(id.length * 7919 + id.charCodeAt(id.length - 1));
  const fingerprint256 = fingerprintOf(serial);
  return certificateDetailSchema.parse({
    id,
    name,
    names,
    phase: { state: 'ready', reason: { code: 'current', message: 'The version in use is current.' } },
    delivery: { state: 'delivered', reason: { code: 'delivered', message: 'Every output has the version in use.' } },
    managed: { state: 'managed', reason: { code: 'configured', message: 'The configuration wants it.' } },
    urgency: 'none',
    sentence: 'It is valid and will be renewed in time.',
    nextAction: 'renew',
    nextActionAt: renewAt,
    nextActionReason: { code: 'planned', message: 'At 2/3 of its lifetime.' },
    renewAt,
    notBefore,
    notAfter,
    serial,
    fingerprint256,
    issuer: 'letsencrypt',
    servedBy: [
      {
        terminator: 'edge-1',
        connected: true,
        serial,
        fingerprint256,
        notAfter,
        since: notBefore,
        source: 'feed',
        upToDate: true,
      },
    ],
    issuers: ['letsencrypt'],
    key: 'ECDSA P-256',
    version: 3,
    chain: [
      {
        subject: `CN=${names[0]}`,
        issuer: "C=US, O=Let's Encrypt, CN=E7",
        serial,
        notBefore,
        notAfter,
        fingerprint256,
        key: 'ECDSA P-256',
      },
      {
        subject: "C=US, O=Let's Encrypt, CN=E7",
        issuer: 'C=US, O=Internet Security Research Group, CN=ISRG Root X1',
        serial: serialOf(7),
        notBefore: time(now - 600 * dayMs),
        notAfter: time(now + 480 * dayMs),
        fingerprint256: fingerprintOf(serialOf(7)),
        key: 'ECDSA P-384',
      },
    ],
    chainPem: '-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUFixture\n-----END CERTIFICATE-----\n',
    outputs: [
      {
        target: `files:/etc/certplane/live/${name}`,
        state: 'delivered',
        reason: { code: 'delivered', message: 'The files are in place.' },
        at: notBefore,
        version: 3,
      },
      {
        target: 'terminator:edge-1',
        state: 'delivered',
        reason: { code: 'served', message: 'Every worker serves it.' },
        at: notBefore,
        version: 3,
      },
    ],
    progress: null,
    failures: 0,
    lastFailure: null,
    checks: okChecks,
    ...over,
  });
}

export function failingCertificate(now: number): CertificateDetail {
  return certificate('file/shop', now, {
    names: ['shop.example.com', 'www.shop.example.com', 'checkout.shop.example.com', 'static.shop.example.com'],
    notBefore: time(now - 80 * dayMs),
    notAfter: time(now + 10 * dayMs),
    renewAt: time(now - 20 * dayMs),
    phase: {
      state: 'failing',
      reason: { code: 'acme.challenge-failed', message: 'The last 6 attempts to renew it failed.' },
    },
    urgency: 'critical',
    sentence:
      'The last 6 attempts to renew it failed: the certificate authority could not verify checkout.shop.example.com. The certificate in use ends in 10 days.',
    nextAction: 'retry',
    nextActionAt: time(now + 11 * minuteMs + 42_000),
    nextActionReason: { code: 'backoff', message: 'After 6 failures in a row, once a day.' },
    failures: 6,
    lastFailure: {
      code: 'acme.challenge-failed',
      message: 'The certificate authority could not verify control of checkout.shop.example.com.',
      at: time(now - 3 * 3_600_000),
      issuer: 'letsencrypt',
      problem: {
        type: 'urn:ietf:params:acme:error:compound',
        detail: 'Errors during validation',
        subproblems: [
          {
            type: 'urn:ietf:params:acme:error:unauthorized',
            detail:
              '203.0.113.7: Invalid response from http://checkout.shop.example.com/.well-known/acme-challenge/bXkgdG9rZW4: 404',
            identifier: 'checkout.shop.example.com',
          },
          {
            type: 'urn:ietf:params:acme:error:dns',
            detail: 'no valid A records found for static.shop.example.com',
            identifier: 'static.shop.example.com',
          },
        ],
      },
    },
    checks: [
      check('config', 'Configuration', 'The configuration names it.'),
      check('issuer', 'Issuer letsencrypt', 'The directory answers.'),
      check('issuance', 'Last attempt', 'The certificate authority asked 203.0.113.7 for the answer and got 404.', {
        verdict: 'problem',
        code: 'acme.challenge-failed',
        advice:
          'Point checkout.shop.example.com at this terminator, or route /.well-known/acme-challenge/ to it on port 80.',
      }),
      check('delivery', 'Delivery', 'Every output has version 3.'),
      check('terminator', 'Terminator edge-1', 'It is connected.'),
      check('served', 'Served', 'Nothing to compare with a version that is not issued.', {
        verdict: 'skipped',
        code: 'skipped',
      }),
    ],
  });
}

function laggingCertificate(now: number): CertificateDetail {
  const base = certificate('route/api.example.com', now, {
    name: 'api.example.com',
    names: ['api.example.com'],
    notBefore: time(now - 14 * minuteMs),
    urgency: 'attention',
    delivery: { state: 'lagging', reason: { code: 'lagging', message: 'edge-2 still serves version 2.' } },
    sentence: 'Version 3 was issued 14 minutes ago and edge-2 still serves version 2.',
  });
  const old = serialOf(99);
  return {
    ...base,
    servedBy: [
      ...base.servedBy,
      {
        terminator: 'edge-2',
        connected: false,
        serial: old,
        fingerprint256: fingerprintOf(old),
        notAfter: time(now + 21 * dayMs),
        since: time(now - 29 * dayMs),
        source: 'feed',
        upToDate: false,
      },
    ],
    checks: changed(base.checks, (link) =>
      link === 'served'
        ? {
            verdict: 'problem',
            code: 'lagging',
            message: 'edge-2 serves version 2.',
            advice: 'Start the terminator edge-2, or take it out of service.',
          }
        : undefined,
    ),
  };
}

function expiredCertificate(now: number): CertificateDetail {
  return certificate('k8s/legacy/legacy-tls', now, {
    name: 'legacy-tls',
    names: ['legacy.example.com'],
    notBefore: time(now - 93 * dayMs),
    notAfter: time(now - 3 * dayMs),
    renewAt: time(now - 33 * dayMs),
    urgency: 'critical',
    phase: { state: 'expired', reason: { code: 'certificate.expired', message: 'It is past its notAfter.' } },
    sentence: 'It expired 3 days ago and is still served. The issuer internal-ca is not configured any more.',
    nextAction: 'none',
    nextActionAt: null,
    nextActionReason: { code: 'issuer.unknown', message: 'No issuer with that name is configured.' },
    issuer: 'internal-ca',
    issuers: ['internal-ca'],
  });
}

function pendingCertificate(now: number): CertificateDetail {
  return certificateDetailSchema.parse({
    ...certificate('route/_wildcard.apps.example.com', now, {
      name: '*.apps.example.com',
      names: ['*.apps.example.com'],
    }),
    phase: { state: 'issuing', reason: { code: 'first-issue', message: 'The first version is being issued.' } },
    delivery: { state: 'none', reason: { code: 'not-issued', message: 'There is no version to deliver yet.' } },
    sentence: 'The first version is being issued; the order waits for the certificate authority.',
    nextAction: 'issue',
    nextActionAt: time(now + 8_000),
    nextActionReason: { code: 'order-waits', message: 'The certificate authority asked to come back later.' },
    renewAt: null,
    notBefore: null,
    notAfter: null,
    serial: null,
    fingerprint256: null,
    issuer: null,
    servedBy: [],
    key: null,
    version: null,
    chain: [],
    chainPem: null,
    outputs: [],
    progress: {
      step: 'collect',
      issuer: 'letsencrypt',
      startedAt: time(now - 21_000),
      waitUntil: time(now + 8_000),
      reason: { code: 'first-issue', message: 'There is no version yet.' },
    },
    checks: changed(okChecks, (_link, index) => {
      if (index < 2) return undefined;
      if (index === 2) return { verdict: 'waiting', message: 'The order waits for the certificate authority.' };
      return { verdict: 'skipped', message: 'There is no version yet.' };
    }),
  });
}

function observedCertificate(now: number): CertificateDetail {
  return certificateDetailSchema.parse({
    ...certificate('seen/secrets:shop/old-tls', now, { name: 'old-tls', names: ['old.example.com'] }),
    managed: { state: 'observed', reason: { code: 'observed', message: 'It is served but not managed here.' } },
    sentence: 'It is served but not managed here.',
    nextAction: 'none',
    nextActionAt: null,
    nextActionReason: { code: 'observed', message: 'Nothing renews what is only observed.' },
    renewAt: null,
    issuer: null,
    issuers: [],
    version: null,
    outputs: [],
  });
}

export function shortLived(id: string, now: number, seed: number): CertificateDetail {
  const name = id.slice(id.indexOf('/') + 1);
  return certificate(id, now, {
    name,
    names: [name],
    notBefore: time(now - 3 * minuteMs - seed * 1_000),
    notAfter: time(now + 12 * minuteMs - seed * 1_000),
    renewAt: time(now + 4 * minuteMs + seed * 17_000),
    serial: serialOf(4_000 + seed),
    issuer: 'local',
    issuers: ['local'],
    nextActionReason: { code: 'planned', message: 'At 1/2 of its lifetime.' },
  });
}

export function mixedCertificates(now: number): CertificateDetail[] {
  return [
    failingCertificate(now),
    expiredCertificate(now),
    laggingCertificate(now),
    pendingCertificate(now),
    observedCertificate(now),
    shortLived('route/hello.localhost', now, 1),
    shortLived('route/admin.localhost', now, 2),
    ...['billing', 'blog', 'docs', 'git', 'mail', 'media', 'status', 'wiki'].map((name, index) =>
      certificate(`file/${name}`, now, {
        serial: serialOf(500 + index),
        notAfter: time(now + (18 + index * 9) * dayMs),
        renewAt: time(now + (3 + index * 6) * dayMs),
      }),
    ),
  ];
}

export function manyCertificates(now: number, count: number): CertificateDetail[] {
  return Array.from({ length: count }, (_, index) =>
    certificate(`k8s/tenant-${String(index % 40).padStart(2, '0')}/site-${String(index).padStart(4, '0')}`, now, {
      serial: serialOf(10_000 + index),
      notAfter: time(now + (20 + (index % 60)) * dayMs),
      renewAt: time(now + (5 + (index % 40)) * dayMs),
    }),
  );
}

export function issuers(now: number): Issuer[] {
  return issuerSchema.array().parse([
    {
      name: 'letsencrypt',
      kind: 'acme',
      directory: 'https://acme-v02.api.letsencrypt.org/directory',
      account: 'https://acme-v02.api.letsencrypt.org/acme/acct/1234567890',
      termsOfService: 'https://letsencrypt.org/documents/LE-SA-v1.6-August-18-2025.pdf',
      rootPem: null,
      certificates: 11,
      problem: {
        code: 'acme.rate-limited',
        message: 'The certificate authority refused because of a rate limit; the retry time is its own.',
        until: time(now + 47 * minuteMs),
      },
    },
    {
      name: 'local',
      kind: 'ca',
      directory: null,
      account: null,
      termsOfService: null,
      rootPem: '-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIURoot\n-----END CERTIFICATE-----\n',
      certificates: 2,
      problem: null,
    },
    {
      name: 'quick',
      kind: 'selfSigned',
      directory: null,
      account: null,
      termsOfService: null,
      rootPem: null,
      certificates: 0,
      problem: null,
    },
  ]);
}

export function terminators(now: number): Terminator[] {
  return terminatorSchema.array().parse([
    {
      id: 'edge-1',
      connected: true,
      since: time(now - 3 * dayMs),
      acknowledged: 'k3Jx9a.214',
      current: 'k3Jx9a.214',
      upToDate: true,
      workers: [
        { pid: 4211, startedAt: time(now - 3 * dayMs), connections: 182 },
        { pid: 4212, startedAt: time(now - 5 * 3_600_000), connections: 176 },
      ],
      listening: ['https 0.0.0.0:8443', 'http 0.0.0.0:8080'],
      problems: [],
      backends: [
        { backend: 'app', endpoint: '10.0.0.2:8080', state: 'healthy', open: 12, requests: 48_213 },
        { backend: 'app', endpoint: '10.0.0.3:8080', state: 'unhealthy', open: 0, requests: 46_002 },
      ],
      served: 14,
    },
    {
      id: 'edge-2',
      connected: false,
      since: time(now - 26 * minuteMs),
      acknowledged: 'k3Jx9a.209',
      current: 'k3Jx9a.214',
      upToDate: false,
      workers: [],
      listening: [],
      problems: [
        {
          code: 'terminator.source-unreadable',
          message: 'A certificate source cannot be read; what was served stays served.',
          subject: '/etc/certs',
          since: time(now - 31 * minuteMs),
        },
      ],
      backends: null,
      served: 13,
    },
  ]);
}

export function history(now: number): HistoryEntry[] {
  const entry = (id: number, minutesAgo: number, over: Partial<HistoryEntry>): HistoryEntry => ({
    id,
    at: time(now - minutesAgo * minuteMs),
    kind: 'attempt',
    certificate: 'file/shop',
    code: 'started',
    message: 'A renewal was started at letsencrypt.',
    actor: 'scheduler',
    ...over,
  });
  return historyEntrySchema.array().parse([
    entry(240, 3, {
      kind: 'delivered',
      certificate: 'route/hello.localhost',
      code: fine.code,
      message: 'Version 12 was written to terminator:edge-1.',
    }),
    entry(239, 3, {
      kind: 'issued',
      certificate: 'route/hello.localhost',
      code: 'issued',
      message: 'Version 12 was issued by local.',
    }),
    entry(238, 14, {
      kind: 'delivery-failed',
      certificate: 'route/api.example.com',
      code: 'output.write-failed',
      message: 'The files could not be written: /etc/certplane/live/api is read-only.',
    }),
    entry(237, 60, {
      kind: 'config',
      certificate: null,
      code: 'config.applied',
      message: 'The configuration was applied: 2 added, 1 changed.',
      actor: 'cli',
    }),
    entry(236, 180, {
      kind: 'failed',
      code: 'acme.challenge-failed',
      message: 'The certificate authority could not verify control of checkout.shop.example.com.',
    }),
    entry(235, 181, {}),
    entry(234, 600, {
      kind: 'admin',
      certificate: null,
      code: 'token.created',
      message: 'The token "grafana" was created.',
      actor: 'session',
    }),
  ]);
}
