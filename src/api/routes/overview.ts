import { z } from 'zod';
import type { Clock } from '../../core/ports/clock.ts';
import type { ControlView } from '../../core/ports/control-view.ts';
import { runChecks, type Check } from '../../explain/check.ts';
import {
  doctorSchema,
  historyEntrySchema,
  historyQuerySchema,
  issuerSchema,
  overviewSchema,
  terminatorSchema,
} from '../contract/overview.ts';
import { presentHistoryEntry, presentIssuer, presentOverview, presentTerminators } from '../overview.ts';
import { presentCheck } from '../present.ts';
import { route, type Route } from '../route.ts';

export interface OverviewRoutesDeps {
  readonly view: ControlView;
  readonly installationChecks: readonly Check[];
  readonly clock: Clock;
}

export function overviewRoutes({ view, installationChecks, clock }: OverviewRoutesDeps): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/overview',
      summary: 'Counts, what needs a person, and when certificates end.',
      access: 'viewer',
      status: 200,
      answer: overviewSchema,
      errors: [],
      handle: () => presentOverview(view, clock.now()),
    }),
    route({
      method: 'get',
      path: '/issuers',
      summary: 'The configured issuers and their problems.',
      access: 'viewer',
      status: 200,
      answer: z.object({ items: z.array(issuerSchema) }),
      errors: [],
      handle: async ({ signal }) => {
        const issuers = await view.issuers(signal);
        return { items: issuers.map((issuer) => presentIssuer(issuer, view.certificates())) };
      },
    }),
    route({
      method: 'get',
      path: '/terminators',
      summary: 'Terminators, their workers and how far they are.',
      access: 'viewer',
      status: 200,
      answer: z.object({ items: z.array(terminatorSchema) }),
      errors: [],
      handle: () => ({ items: presentTerminators(view) }),
    }),
    route({
      method: 'get',
      path: '/history',
      summary: 'What happened, newest first; `before` goes on from the last id seen.',
      access: 'viewer',
      query: historyQuerySchema.strict(),
      status: 200,
      answer: z.object({ items: z.array(historyEntrySchema) }),
      errors: [],
      handle: async ({ query, signal }) => {
        const { certificate, kind, before, limit } = query;
        const kinds = kind === undefined ? undefined : [kind];
        const entries = await view.history({ certificateId: certificate, kinds, before, limit }, signal);
        return { items: entries.map(presentHistoryEntry) };
      },
    }),
    route({
      method: 'get',
      path: '/doctor',
      summary: 'The checks of the whole installation, in the order of the flow.',
      access: 'viewer',
      status: 200,
      answer: doctorSchema,
      errors: [],
      handle: async ({ signal }) => {
        const results = await runChecks(installationChecks, undefined, signal);
        return { checks: results.map(presentCheck) };
      },
    }),
  ];
}
