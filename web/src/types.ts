/** What the server sends. Types alone: a value import would bring the schema library into the page. */
import type { Certificate } from '../../src/api/contract/certificates.ts';
import type { Overview } from '../../src/api/contract/overview.ts';

export type {
  Certificate,
  CertificateDetail,
  CertificateList,
  ServedByEntry,
} from '../../src/api/contract/certificates.ts';
export type {
  ChangeEvent,
  HistoryEntry,
  Issuer,
  Notice,
  Overview,
  Problem,
  Session,
  Terminator,
} from '../../src/api/contract/overview.ts';

export type Phase = Certificate['phase']['state'];
export type Delivery = Certificate['delivery']['state'];
export type Managed = Certificate['managed']['state'];
/** One span of the overview's timeline. */
export type Span = Overview['timeline'][number];
