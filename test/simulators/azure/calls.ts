/** What has been asked, as the vault's and the directory's logs would show it: never a key, a value, a token, a secret. */

/** Key Vault and Managed HSM are one service here; Entra ID and the metadata service of virtual machines are others. */
export type AzureService = 'vault' | 'entra' | 'imds';

/** What a fault is chosen by: as in `Call`. */
export type AzureFaultTarget = {
  readonly service: AzureService;
  readonly operation: string;
  readonly key: string | undefined;
};

export interface Call {
  readonly service: AzureService;
  /**
   * Of a vault as in its REST reference, in camel case (`getKey`, `unwrapKey`), and `challenge` for any request without
   * a token; of Entra `token`, `openIdConfiguration`, `signingKeys` or `instanceDiscovery`; of IMDS `token`, and `probe`
   * for any request without the header `Metadata`. Empty where the request named none.
   */
  readonly operation: string;
  /** The name of the key, without a version. */
  readonly key?: string;
  /** As the request named it; absent where it named none. */
  readonly keyVersion?: string;
  readonly algorithm?: string;
  /** The application or managed identity, by its client id; absent when the request proved no identity. */
  readonly clientId?: string;
  /** `ok`, the error code of the answer, or `fault:` and the kind of an injected fault that took the answer's place. */
  readonly outcome: string;
  /** HTTP status of the answer; of an injected fault that took its place, what it would have been. */
  readonly status: number;
  /** As in the answer's `x-ms-request-id`. */
  readonly requestId: string;
  /** Milliseconds since 1970, when the request had arrived whole. */
  readonly at: number;
}

/** Fields that a call must have; what is left out matches all. */
export type CallFilter = Partial<Pick<Call, 'service' | 'key' | 'keyVersion' | 'clientId' | 'outcome' | 'requestId'>>;

/** Counts the calls of one operation that fit the filter. */
export function countCalls(calls: readonly Call[], operation: string, filter: CallFilter = {}): number {
  return calls.filter((call) => call.operation === operation && fits(call, filter)).length;
}

function fits(call: Call, filter: CallFilter): boolean {
  const { service, key, keyVersion, clientId, outcome, requestId } = filter;
  return (
    (service === undefined || service === call.service) &&
    (key === undefined || key === call.key) &&
    (keyVersion === undefined || keyVersion === call.keyVersion) &&
    (clientId === undefined || clientId === call.clientId) &&
    (outcome === undefined || outcome === call.outcome) &&
    (requestId === undefined || requestId === call.requestId)
  );
}
