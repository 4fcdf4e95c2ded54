import helmet from 'helmet';
import type { RequestHandler } from 'express';

/** Strict: the page loads its own files and nothing else, runs nothing inline and stands in no frame. */
export function securityHeaders(): RequestHandler {
  return helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        fontSrc: ["'self'"],
        connectSrc: ["'self'"],
        manifestSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
    },
    // Over plain http on loopback this would be ignored or, worse, hold for every other service on "localhost".
    strictTransportSecurity: false,
    // "no-referrer" would make browsers send "Origin: null" with forms.
    referrerPolicy: { policy: 'same-origin' },
    xFrameOptions: { action: 'deny' },
  });
}
