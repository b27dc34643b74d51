/** Keys of a moto server (https://docs.getmoto.org/en/latest/docs/server_mode.html), which asks nobody for a password. */
import { identity } from './aws-identity.ts';
import { ForeignAwsWorld } from './aws-world.ts';

/** The role that stands in front of every key here. moto lets anybody assume any role. */
export const role = { arn: 'arn:aws:iam::123456789012:role/customer', externalId: 'keyproxy-7f9b1c2d' };

/** Enters the moto that runs at `endpoint`. */
export function motoWorld(endpoint: string): ForeignAwsWorld {
  return new ForeignAwsWorld({ endpoint, owner: identity, platform: identity, role });
}
