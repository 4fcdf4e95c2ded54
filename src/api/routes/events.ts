import { CertplaneError } from '../../core/errors.ts';
import { changeEventSchema } from '../contract/overview.ts';
import type { EventHub } from '../event-hub.ts';
import { answered, route, type Route } from '../route.ts';
import type { Authenticate } from '../authenticate.ts';

export interface EventRoutesDeps {
  readonly hub: EventHub;
  readonly authenticate: Authenticate;
}

export function eventRoutes({ hub, authenticate }: EventRoutesDeps): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/events',
      summary:
        'Server-sent events: `change` names what changed, `snapshot` means that everything should be read again, ' +
        '`alive` comes every 15 s and says nothing else. Last-Event-ID resumes.',
      access: 'viewer',
      status: 200,
      answer: changeEventSchema,
      mediaType: 'text/event-stream',
      errors: ['api.unavailable'],
      handle: ({ http: { request, response } }) => {
        if (request.method === 'HEAD') {
          response.type('text/event-stream').end();
          return answered;
        }
        const taken = hub.attach(response, {
          lastEventId: request.get('last-event-id'),
          allowed: async () => (await authenticate(request, { peek: true })) !== undefined,
        });
        if (!taken) throw new CertplaneError('api.unavailable', 'There are too many event streams. Try again later.');
        return answered;
      },
    }),
  ];
}
