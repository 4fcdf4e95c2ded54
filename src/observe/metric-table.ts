/** Every metric of the control process with its help text; docs/reference.md is written from this table (a test compares them). */
export const metricTable = {
  certplane_certificates: 'Certificates by phase.',
  certplane_certificates_by_delivery: 'Certificates by delivery state.',
  certplane_certificates_without_series:
    'Certificates left out of the metrics with a "certificate" label because there are too many; the ones that end first are kept.',
  certplane_certificate_not_after_timestamp_seconds: 'End of the certificate in use, in seconds since the epoch.',
  certplane_certificate_renew_at_timestamp_seconds:
    'When the certificate is to be renewed, in seconds since the epoch.',
  certplane_certificate_overdue_seconds: 'For how long the renewal has been due; 0 while it is not.',
  certplane_certificate_failures: 'Failed attempts in a row.',
  certplane_certificate_phase: 'The phase of the certificate, as a label; always 1.',
  certplane_certificate_delivery: 'The delivery state of the certificate, as a label; always 1.',
  certplane_issuance_attempts_total:
    'Issuances that ended since the start, by issuer and result ("issued" or an error code).',
  certplane_issuance_running: 'Issuances that hold a slot now.',
  certplane_issuance_queue: 'Issuances that are due and wait for a slot.',
  certplane_issuer_up: 'Whether the issuer has no known problem.',
  certplane_feed_revision: 'Sequence number of the latest change in the feed.',
  certplane_terminators_connected: 'Terminators connected to the feed.',
  certplane_terminator_up_to_date: 'Whether a connected terminator has acknowledged the latest change.',
  certplane_terminator_served_certificates: 'Certificates a connected terminator serves.',
  certplane_problems: 'Problems that belong to no single certificate, by code.',
  certplane_history_entries_total: 'History entries written since the start, by kind.',
} as const;

export type MetricName = keyof typeof metricTable;
