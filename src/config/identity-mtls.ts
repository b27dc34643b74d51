/** How callers prove who they are by a client certificate: the section `identity.mtls` of the daemon's file. */
import { required, type Shape, section, type Values } from './shape.ts';
import { path, text } from './values.ts';

/** The section, checked; every path is absolute. */
export interface MutualTlsConfig {
  /** Files in PEM; they are read again when they change. */
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  /** The one trust domain that callers belong to. */
  readonly trustDomain: string;
}

/** SPIFFE-ID, section 2.1: the name alone, in the spelling that certificates have. */
const trustDomain = text(
  'the name of a trust domain, 1 to 255 lower-case letters, digits, dots, dashes and underscores, without spiffe://',
  /^[a-z0-9._-]{1,255}$/,
);

const fields = {
  cert: required(path, "File of the daemon's own certificate in PEM, with those between it and its root behind it."),
  key: required(path, 'File of the private key of `cert` in PEM, without a passphrase.'),
  ca: required(path, 'File of the root certificates in PEM that vouch for callers, and no others.'),
  trust_domain: required(trustDomain, 'The SPIFFE trust domain that callers belong to: `example.org`.'),
};

/** The section as it stands in the file. */
export type MutualTlsValues = Values<typeof fields>;

/** The shape of `identity.mtls`. */
export const mutualTlsShape: Shape<MutualTlsValues> = section(fields);

/** What the section stands for; `absolute` makes a path absolute. */
export function mutualTlsConfig(values: MutualTlsValues, absolute: (path: string) => string): MutualTlsConfig {
  const { cert, key, ca, trust_domain } = values;
  return { cert: absolute(cert), key: absolute(key), ca: absolute(ca), trustDomain: trust_domain };
}
