import { CertplaneError } from '../../core/errors.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { CertificateView, ControlView } from '../../core/ports/control-view.ts';
import { runChecks, type Check } from '../../explain/check.ts';
import { certificatePage } from '../certificate-page.ts';
import {
  certificateDetailSchema,
  certificateListSchema,
  certificateQuerySchema,
  certificateSchema,
} from '../contract/certificates.ts';
import { presentCertificate, presentDetail } from '../present.ts';
import { route, type Route } from '../route.ts';

export interface CertificateRoutesDeps {
  readonly view: ControlView;
  readonly certificateChecks: readonly Check<CertificateView>[];
  readonly clock: Clock;
}

export function certificateRoutes({ view, certificateChecks, clock }: CertificateRoutesDeps): readonly Route[] {
  const find = (id: string): CertificateView => {
    const found = view.certificate(id);
    if (found === undefined) {
      throw new CertplaneError('certificate.not-found', `There is no certificate with the id ${quote(id)}.`);
    }
    return found;
  };
  return [
    route({
      method: 'get',
      path: '/certificates',
      summary: 'Certificates, filtered, sorted and in pages.',
      access: 'viewer',
      query: certificateQuerySchema.strict(),
      status: 200,
      answer: certificateListSchema,
      errors: [],
      handle: ({ query }) => certificatePage(view.certificates(), query, clock.now()),
    }),
    route({
      method: 'get',
      path: '/certificates/{id}',
      summary: 'One certificate with its chain, outputs and reason chain.',
      access: 'viewer',
      status: 200,
      answer: certificateDetailSchema,
      errors: ['certificate.not-found'],
      handle: async ({ id, signal }) => {
        const checks = await runChecks(certificateChecks, find(id), signal);
        // Checks take a moment; what is answered is the state after them.
        return presentDetail(find(id), checks, clock.now());
      },
    }),
    route({
      method: 'post',
      path: '/certificates/{id}/renew',
      summary: 'Ask for a renewal now. Answers once the request is durable, not when the renewal is done.',
      access: 'admin',
      status: 202,
      answer: certificateSchema,
      errors: ['certificate.not-found', 'certificate.removed', 'renewal.in-progress'],
      handle: async ({ id, actor, signal }) => {
        await view.renew(id, actor, signal);
        return presentCertificate(find(id), clock.now());
      },
    }),
  ];
}

function quote(id: string): string {
  return JSON.stringify(id.slice(0, 200));
}
