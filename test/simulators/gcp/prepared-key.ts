/** A simulator with one key and one identity that may use it, for tests that are about something else. */
import { type RawClient, rawClient } from './clients.ts';
import type { SimulatedAccount } from './identities.ts';
import { type GcpSimulator, type SimulatorOptions, startGcpSimulator } from './server.ts';
import type { KeyOptions, SimulatedKey } from './simulated-key.ts';

/** Dispose of it to end client and simulator. */
export interface PreparedKey extends AsyncDisposable {
  readonly gcp: GcpSimulator;
  readonly key: SimulatedKey;
  readonly account: SimulatedAccount;
  /** Calls with a token of the account. */
  readonly client: RawClient;
}

/** Everything that reading and using a key takes, and nothing else. */
export const allRoles = [
  'roles/cloudkms.cryptoKeyEncrypterDecrypter',
  'roles/cloudkms.publicKeyViewer',
  'roles/cloudkms.viewer',
];

/** Starts a simulator; `roles` are granted on the key, all of them unless some are given. */
export async function prepareKey(
  options: KeyOptions & SimulatorOptions & { readonly roles?: readonly string[] } = {},
): Promise<PreparedKey> {
  const { clock, roles = allRoles, ...keyOptions } = options;
  const gcp = await startGcpSimulator(clock === undefined ? {} : { clock });
  const key = gcp.createKey(keyOptions);
  const account = gcp.createServiceAccount();
  gcp.grant(account.email, key.name, ...roles);
  const client = rawClient(gcp, account.accessToken());
  return {
    gcp,
    key,
    account,
    client,
    [Symbol.asyncDispose]: async () => {
      client[Symbol.dispose]();
      await gcp[Symbol.asyncDispose]();
    },
  };
}
