/** Names that people give to issuers, certificates, backends and routes. */
import { text } from '../values/scalars.ts';

const form = 'letters, digits, dots, dashes and underscores, starting with a letter or digit, at most 63';

export const issuerName = text({ maxLength: 200, pattern: /^[A-Za-z0-9][\w.-]{0,62}$/, form, example: 'letsencrypt' });
export const certificateName = text({ maxLength: 200, pattern: /^[A-Za-z0-9][\w.-]{0,62}$/, form, example: 'shop' });
export const backendName = text({ maxLength: 200, pattern: /^[A-Za-z0-9][\w.-]{0,62}$/, form, example: 'app' });
export const routeName = text({ maxLength: 200, pattern: /^[A-Za-z0-9][\w.-]{0,62}$/, form, example: 'shop-api' });
