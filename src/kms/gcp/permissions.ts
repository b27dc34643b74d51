/** What keyproxy may need to be allowed, and what for (https://cloud.google.com/kms/docs/reference/permissions-and-roles). */
import type { KeyStyle } from './key-style.ts';

/** One permission of Cloud KMS. */
export interface Permission {
  readonly name: string;
  /** The role that grants it and little more. */
  readonly role: string;
  /** What does not work without it, as a clause. */
  readonly without: string;
  /** Keys without which nothing works at all. */
  readonly neededBy: readonly KeyStyle['kind'][];
}

const viewer = 'roles/cloudkms.viewer';

/** All of them, those that are needed first. */
export const permissions: readonly Permission[] = [
  {
    name: 'cloudkms.cryptoKeyVersions.useToEncrypt',
    role: 'roles/cloudkms.cryptoKeyEncrypter',
    without: 'no data key can be wrapped',
    neededBy: ['symmetric'],
  },
  {
    name: 'cloudkms.cryptoKeyVersions.useToDecrypt',
    role: 'roles/cloudkms.cryptoKeyDecrypter',
    without: 'no data key can be unwrapped',
    neededBy: ['symmetric', 'rsa'],
  },
  {
    name: 'cloudkms.cryptoKeyVersions.viewPublicKey',
    role: 'roles/cloudkms.publicKeyViewer',
    without: 'no data key can be wrapped',
    neededBy: ['rsa'],
  },
  {
    name: 'cloudkms.cryptoKeys.get',
    role: viewer,
    without: 'an RSA key is only known as one where key_version is given',
    neededBy: [],
  },
  {
    name: 'cloudkms.cryptoKeyVersions.get',
    role: viewer,
    without: 'keyproxy cannot always tell a disabled key version from an external key manager in trouble',
    neededBy: [],
  },
  {
    name: 'cloudkms.cryptoKeyVersions.list',
    role: viewer,
    without: 'an RSA key needs key_version, and a new version is not found by itself',
    neededBy: [],
  },
];
