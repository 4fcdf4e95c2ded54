/** The web UI's files: hashed assets for ever, everything else asked for again; unknown addresses get the one page. */
import { sep } from 'node:path';
import express, { Router, type Response } from 'express';
import { CertplaneError } from '../core/errors.ts';
import { messagePage } from './message-page.ts';

const forever = 'public, max-age=31536000, immutable';

export function staticUi(webDir: string): Router {
  const router = Router();
  router.use(
    express.static(webDir, {
      index: false,
      redirect: false,
      dotfiles: 'ignore',
      setHeaders: (response: Response, path: string) =>
        // Vite puts a digest into the name of everything below assets/.
        void response.setHeader('cache-control', path.includes(`${sep}assets${sep}`) ? forever : 'no-cache'),
    }),
  );
  router.use((request, response, next) => {
    const looks = request.method === 'GET' || request.method === 'HEAD';
    if (!looks || request.path.startsWith('/assets/') || request.accepts(['html']) === false) return next();
    response.sendFile(
      'index.html',
      { root: webDir, cacheControl: false, headers: { 'cache-control': 'no-cache' } },
      (error) => {
        // A client that went away meanwhile is no error of ours, and nobody is left to be answered.
        if (error === undefined || error === null || response.headersSent || request.socket.destroyed) return;
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return next(error);
        const page = messagePage('The web UI is not built', [
          'Run "npm run build" in the directory of Certplane and load this page again.',
          'The API under /api/v1 and the command line work without it.',
        ]);
        response.status(503).setHeader('cache-control', 'no-store').type('html').send(page);
      },
    );
  });
  router.use((request) => {
    throw new CertplaneError('api.not-found', `There is no ${request.method} ${request.path}.`);
  });
  return router;
}
