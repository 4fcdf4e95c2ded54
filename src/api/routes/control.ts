import { isAbsolute } from 'node:path';
import { CertplaneError } from '../../core/errors.ts';
import type { ControlView } from '../../core/ports/control-view.ts';
import { reloadResultSchema } from '../contract/overview.ts';
import { backupSchema, reloadSchema } from '../contract/requests.ts';
import { route, type Route } from '../route.ts';

export interface ControlRoutesDeps {
  readonly view: ControlView;
}

export function controlRoutes({ view }: ControlRoutesDeps): readonly Route[] {
  return [
    route({
      method: 'post',
      path: '/reload',
      summary: 'Read the configuration file again and apply it.',
      access: 'admin',
      body: reloadSchema,
      status: 200,
      answer: reloadResultSchema,
      errors: ['config.invalid', 'config.not-found', 'config.removal-held'],
      handle: async ({ body, actor, signal }) => {
        const result = await view.reload({ ...body, actor }, signal);
        const { added, changed, removed, restartNeeded, warnings } = result;
        return { added, changed, removed, restartNeeded: [...restartNeeded], warnings: [...warnings] };
      },
    }),
    route({
      method: 'post',
      path: '/backup',
      summary: 'Write a copy of database and key to a file of this machine. Over the admin socket only.',
      access: 'local',
      body: backupSchema,
      status: 204,
      errors: ['store.unavailable'],
      handle: async ({ body, actor, signal }) => {
        if (!isAbsolute(body.file) || body.file.includes('\0')) {
          throw new CertplaneError('api.invalid-request', 'file: an absolute path is needed.');
        }
        await view.backup(body.file, actor, signal);
      },
    }),
  ];
}
