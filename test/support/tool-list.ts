/** What the tests may ask for and the Debian package that brings it. */
export interface ToolSpec {
  /** Debian package; `apt-get install PACKAGE` is also what a person is told. */
  package: string;
  /** Names to look for on PATH, best first. */
  commands?: string[];
  /** Where the program lies inside the unpacked package; `usr/bin/NAME` and `usr/sbin/NAME` by default. */
  inPackage?: string[];
}

export const toolSpecs = {
  openssl: { package: 'openssl' },
  curl: { package: 'curl' },
  nginx: { package: 'nginx' },
  pebble: { package: 'pebble' },
  'pebble-challtestsrv': { package: 'pebble' },
  chromium: {
    package: 'chromium',
    commands: ['chromium', 'chromium-browser', 'google-chrome'],
    inPackage: ['usr/lib/chromium/chromium'], // usr/bin/chromium is a script with absolute paths in it
  },
  haproxy: { package: 'haproxy' },
  caddy: { package: 'caddy' },
  hitch: { package: 'hitch' },
  certbot: { package: 'certbot' },
  lego: { package: 'lego' },
  named: { package: 'bind9' },
  wrk: { package: 'wrk' },
  h2load: { package: 'nghttp2-client' },
  nghttp: { package: 'nghttp2-client' },
} satisfies Record<string, ToolSpec>;

export type ToolName = keyof typeof toolSpecs;
