/** How keyproxy gets tokens of Microsoft Entra ID: one login each, with nothing kept from the one before. */
import { readFile } from 'node:fs/promises';
import { ClientSecretCredential, ManagedIdentityCredential, WorkloadIdentityCredential } from '@azure/identity';
import type { Clock } from '../../base/clock.ts';
import { gaveUp, KmsError } from '../fault.ts';
import type { AzureCredential } from '../key-config.ts';
import { Exchange } from './exchange.ts';
import { incompleteAnswer, loginError } from './failure.ts';
import type { AzureWire } from './wire.ts';

/** A token, and when it ends. */
export interface AzureToken {
  readonly token: string;
  readonly expiration: Date;
}

/** Who logs in, and for what. */
export interface AzureIdentity {
  readonly credential: AzureCredential;
  /** The directory; absent for a managed identity, which has one. */
  readonly tenant?: string;
  readonly clientId?: string;
  /** What the token is for. */
  readonly scope: string;
  readonly authorityHost: string;
}

const operation = 'GetToken';

/** Logs in. Throws a `KmsError` with a sorted fault. Ends when `signal` is aborted. */
export async function logIn(
  identity: AzureIdentity,
  options: { readonly wire: AzureWire; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<AzureToken> {
  const exchange = new Exchange(options.signal);
  const source = await sourceOf(identity, options.wire);
  try {
    const answer = await exchange.run(() => source.getToken(identity.scope));
    if (answer === null) throw incompleteAnswer(operation);
    // The library counts the token's life from the machine's own time.
    const lifeMs = answer.expiresOnTimestamp - Date.now();
    return { token: answer.token, expiration: new Date(exchange.tokenEndsAt ?? options.clock.now() + lifeMs) };
  } catch (error) {
    if (options.signal.aborted) throw gaveUp({ provider: 'azure_kv', operation }, options.signal.reason);
    if (exchange.outcome.kind === 'unsent') throw notTried(identity.credential, error);
    throw loginError(error, exchange.outcome, { operation, now: options.clock.now() });
  }
}

/**
 * The library's source of tokens for one login. A new one each time: they keep tokens, which would come back where a
 * new one is wanted, and the secret and the token's file are to be read anew.
 */
async function sourceOf(identity: AzureIdentity, httpClient: AzureWire) {
  const { credential, tenant, clientId, authorityHost } = identity;
  const common = { httpClient, retryOptions: { maxRetries: 0 }, redirectOptions: { maxRetries: 0 } };
  // The library would ask Microsoft's public directory whether a private one is one; what is configured here is.
  const directory = { ...common, authorityHost, disableInstanceDiscovery: true };
  switch (credential.kind) {
    case 'managed_identity':
      return new ManagedIdentityCredential({ ...common, ...(clientId !== undefined && { clientId }) });
    case 'workload_identity':
      return constructed(credential, () => {
        const { tokenFile: tokenFilePath } = credential;
        return new WorkloadIdentityCredential({
          ...directory,
          ...(tenant !== undefined && { tenantId: tenant }),
          ...(clientId !== undefined && { clientId }),
          ...(tokenFilePath !== undefined && { tokenFilePath }),
        });
      });
    case 'client_secret_file': {
      const secret = await secretIn(credential.file);
      return constructed(credential, () => {
        return new ClientSecretCredential(tenant ?? '', clientId ?? '', secret ?? '', directory);
      });
    }
  }
}

/** Their constructors throw where something that they need is missing. */
function constructed<T>(credential: AzureCredential, construct: () => T): T {
  try {
    return construct();
  } catch (error) {
    throw notTried(credential, error);
  }
}

/** The secret without the line end that editors leave; undefined where the file cannot be read. */
async function secretIn(file: string): Promise<string | undefined> {
  try {
    const bytes = await readFile(file);
    const secret = bytes.toString('utf8').replace(/[\r\n]+$/, '');
    bytes.fill(0);
    return secret;
  } catch {
    return undefined;
  }
}

const needs: Readonly<Record<AzureCredential['kind'], string>> = {
  managed_identity: 'check that this machine or pod has a managed identity',
  workload_identity:
    'check that the tenant and client_id are given and that the file with the projected token exists and can be read',
  client_secret_file:
    'check that tenant and client_id are given and that the file with the secret exists and is not empty',
};

/** Nothing was sent: what is needed to log in is missing here. */
function notTried(credential: AzureCredential, error: unknown): KmsError {
  if (error instanceof KmsError) return error;
  const details = { provider: 'azure_kv', operation, providerCode: 'CredentialUnavailable' };
  return new KmsError({ kind: 'credentials' }, { ...details, advice: needs[credential.kind] });
}
