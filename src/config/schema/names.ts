/** Names that people give to issuers, certificates, backends and routes. */
import { text } from '../values/scalars.ts';

const form = 'letters, digits, dots, dashes and underscores, starting with a letter or digit, at most 63';

export const issuerName = text({ maxLength: 200, pattern: /^[A-Za-z0-9][\w.-]{0,62}$/, form, example: 'letsencrypt' });
export const certificateName = text({ maxLength: 200, pattern: /^[A-Za-z0-9][\w.-]{0,62}$/, form, example: 'shop' });
/** Also one from elsewhere, by the id that messages, `certplane list` and the web page give it. */
export const servedCertificate = text({
  maxLength: 400,
  pattern:
    /^(?:[A-Za-z0-9][\w.-]{0,62}|seen\/files\/[^/\p{Cc}]{1,255}|seen\/secrets\/[a-z0-9-]{1,63}\/[a-z0-9.-]{1,253})$/u,
  form: 'a name under certificates, or the id of a certificate of sources: seen/files/NAME or seen/secrets/NAMESPACE/NAME',
  example: 'shop',
});
export const backendName = text({ maxLength: 200, pattern: /^[A-Za-z0-9][\w.-]{0,62}$/, form, example: 'app' });
export const routeName = text({ maxLength: 200, pattern: /^[A-Za-z0-9][\w.-]{0,62}$/, form, example: 'shop-api' });
