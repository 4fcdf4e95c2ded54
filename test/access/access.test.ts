import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { createHostGuard } from '../../src/access/host-guard.ts';
import { isLoopback } from '../../src/core/listen-address.ts';
import { assertSafeListen } from '../../src/access/listen-guard.ts';
import { createLoginLimiter } from '../../src/access/login-limiter.ts';
import { createLoginLinks, loginLinkLifetimeMs } from '../../src/access/login-links.ts';
import { readSessionCookie, sessionCookie } from '../../src/access/session-cookie.ts';
import { createSessions, sessionIdleMs } from '../../src/access/sessions.ts';
import { hasCode } from '../../src/core/errors.ts';
import { ManualClock } from '../support/manual-clock.ts';

suite('login links', () => {
  test('work once, within ten minutes, and not at all when the clock went back behind their making', async () => {
    const clock = new ManualClock();
    const links = createLoginLinks({ clock });
    const code = links.create('viewer');
    assert.equal(links.consume(`${code}x`), undefined);
    assert.equal(links.consume(code), 'viewer');
    assert.equal(links.consume(code), undefined);
    const late = links.create('admin');
    await clock.advance(loginLinkLifetimeMs);
    assert.equal(links.consume(late), undefined);
    const early = links.create('admin');
    await clock.jumpTo(clock.now() - 3_600_000);
    assert.equal(links.consume(early), undefined);
  });

  test('do not pile up', () => {
    const links = createLoginLinks({ clock: new ManualClock() });
    const first = links.create('admin');
    const last = Array.from({ length: 100 }, () => links.create('admin')).at(-1) ?? '';
    assert.equal(links.consume(first), undefined);
    assert.equal(links.consume(last), 'admin');
  });
});

suite('sessions', () => {
  test('slide with use, end when idle, never outlive their token, and looking does not count as use', async () => {
    const clock = new ManualClock();
    const sessions = createSessions({ clock });
    const sliding = sessions.open({ role: 'admin', actor: 'session' });
    const bounded = sessions.open({ role: 'viewer', actor: 'token:1', tokenId: '1', expiresAt: clock.now() + 1_000 });
    assert.deepEqual(sessions.verify(bounded), { role: 'viewer', actor: 'token:1', local: false });
    await clock.advance(1_000);
    assert.equal(sessions.verify(bounded), undefined);
    await clock.advance(sessionIdleMs - 2_000);
    assert.ok(sessions.verify(sliding, { peek: true }));
    await clock.advance(1_000);
    assert.equal(sessions.verify(sliding), undefined);
  });

  test('end with their token, leave others alone, and drop the one unused for longest when there are too many', () => {
    const sessions = createSessions({ clock: new ManualClock() });
    const [a, b] = ['1', '2'].map((tokenId) => sessions.open({ role: 'viewer', actor: 'x', tokenId })) as [
      string,
      string,
    ];
    sessions.closeOfToken('1');
    assert.equal(sessions.verify(a), undefined);
    assert.ok(sessions.verify(b));
    const kept = sessions.open({ role: 'viewer', actor: 'kept' });
    for (let i = 0; i < 1_500; i += 1) {
      sessions.open({ role: 'viewer', actor: 'x' });
      sessions.verify(kept);
    }
    assert.equal(sessions.verify(b), undefined);
    assert.ok(sessions.verify(kept));
  });

  test('the cookie is read from among others, and only in its own form', () => {
    const secret = 'a'.repeat(43);
    const place = { secure: false, port: 8484 };
    const name = 'certplane_session_8484';
    assert.equal(readSessionCookie(`x=1; ${name}=${secret}; y=2`, place), secret);
    assert.equal(readSessionCookie(`${name}=short; ${name}=${secret}`, place), secret);
    for (const header of [undefined, '', name, `${name}=${secret}x`, `x${name}=${secret}`]) {
      assert.equal(readSessionCookie(header, place), undefined);
    }
    fc.assert(fc.property(fc.string(), (text) => readSessionCookie(text, place) === undefined));
  });

  test('a cookie of another port, or one set without TLS, is none of ours', () => {
    const secret = 'a'.repeat(43);
    const plain = { secure: false, port: 8484 };
    const behindTls = { secure: true, port: 8484 };
    const read = (from: typeof plain, by: typeof plain) =>
      readSessionCookie(sessionCookie(secret, from).split(';')[0], by);
    assert.equal(read(plain, plain), secret);
    assert.equal(read(behindTls, behindTls), secret);
    assert.equal(read({ secure: false, port: 8485 }, plain), undefined);
    assert.equal(read(plain, behindTls), undefined);
    assert.equal(read(behindTls, plain), undefined);
    assert.equal(
      sessionCookie(secret, behindTls),
      `__Host-certplane_session=${secret}; Path=/; HttpOnly; SameSite=Strict; Secure`,
    );
  });
});

suite('the login limiter', () => {
  test('lets through at most ten failures in any window of ten minutes, per address', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 200_000 }), { maxLength: 60 }), async (waits) => {
        const clock = new ManualClock();
        const limiter = createLoginLimiter({ clock });
        const tried: number[] = [];
        for (const wait of waits) {
          await clock.jumpTo(clock.now() + wait);
          if (limiter.blockedUntil('a') !== undefined) continue;
          tried.push(clock.now());
          limiter.noteFailure('a');
        }
        for (const [i, at] of tried.entries()) {
          const eleventh = tried[i + 10];
          assert.ok(eleventh === undefined || eleventh - at >= 600_000);
        }
        assert.equal(limiter.blockedUntil('b'), undefined);
      }),
      { numRuns: 30 },
    );
  });

  test('says when the next attempt is allowed, and a success clears the count', async () => {
    const clock = new ManualClock();
    const limiter = createLoginLimiter({ clock });
    for (let i = 0; i < 10; i += 1) {
      limiter.noteFailure('a');
      await clock.advance(1_000);
    }
    const until = limiter.blockedUntil('a') ?? 0;
    assert.equal(until, clock.now() - 10_000 + 600_000);
    await clock.jumpTo(until);
    assert.equal(limiter.blockedUntil('a'), undefined);
    limiter.noteSuccess('a');
    for (let i = 0; i < 9; i += 1) limiter.noteFailure('a');
    assert.equal(limiter.blockedUntil('a'), undefined);
  });
});

suite('the host guard', () => {
  const guard = createHostGuard({ host: '127.0.0.1', port: 8484 }, ['admin.example.com', 'other.example.com:444']);
  const passes = (request: { method?: string; host?: string; origin?: string; fetchSite?: string }): boolean => {
    try {
      const { method = 'GET', host, origin, fetchSite } = request;
      guard.check({ method, host, origin, fetchSite });
      return true;
    } catch (error) {
      assert.ok(hasCode(error, 'api.origin-refused'));
      return false;
    }
  };

  test('answers to loopback with its own port, to admin.hosts with any, and to a host with a port with only that', () => {
    for (const host of [
      '127.0.0.1:8484',
      'localhost:8484',
      '[::1]:8484',
      'admin.example.com',
      'ADMIN.example.com:8443',
      'other.example.com:444',
    ]) {
      assert.ok(passes({ host }), host);
    }
    for (const host of [
      undefined,
      '',
      'localhost',
      'localhost:80',
      '127.0.0.2:8484',
      'other.example.com',
      'other.example.com:445',
      'x.admin.example.com',
      'admin.example.com.evil',
    ]) {
      assert.ok(!passes(host === undefined ? {} : { host }), String(host));
    }
  });

  test('a default port in Host is the same origin as none', () => {
    assert.ok(passes({ method: 'POST', host: 'admin.example.com:443', origin: 'https://admin.example.com' }));
    assert.ok(passes({ method: 'POST', host: 'admin.example.com:8443', origin: 'https://admin.example.com:8443' }));
    assert.ok(!passes({ method: 'POST', host: 'admin.example.com', origin: 'https://admin.example.com:8443' }));
  });

  test('no Host header makes it fail in another way than by refusing', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 400 }), fc.string({ maxLength: 100 }), (host, origin) => {
        passes({ method: 'POST', host, origin });
      }),
    );
  });
});

suite('the listen guard', () => {
  test('knows loopback in all its forms and refuses everything else', () => {
    for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost', '::ffff:127.0.0.1', 'app.localhost']) {
      assert.ok(isLoopback(host), host);
    }
    for (const host of ['0.0.0.0', '::', '10.0.0.1', '128.0.0.1', 'localhost.example.com', '127.evil.example', '']) {
      assert.ok(!isLoopback(host), host);
      assert.throws(
        () => assertSafeListen({ host, port: 8484 }),
        (error: unknown) => hasCode(error, 'access.insecure-listen'),
      );
    }
  });
});
