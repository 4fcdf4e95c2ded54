/** The one place that loads @peculiar/x509: its container needs the reflection polyfill to be there first. */
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

export { x509 };
