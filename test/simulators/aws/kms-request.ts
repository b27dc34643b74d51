/** A request to KMS, whoever it is from and whatever it asks. */
import type { Principal } from './identities.ts';
import type { KeyStore, ResolvedKey } from './keys.ts';
import type { RequestFields } from './request-fields.ts';

/** One authenticated request. */
export interface KmsRequest {
  readonly fields: RequestFields;
  readonly principal: Principal;
  /** The region of the signature's scope: the one whose keys the request can see. */
  readonly region: string;
  readonly keys: KeyStore;
}

/** The fields of an answer, as JSON 1.1 has them. */
export type Answer = Promise<Record<string, unknown>> | Record<string, unknown>;

const longestKeyId = 2048;

/** The key that a field names; throws a NotFoundException where there is none in the request's region. */
export function namedKey(request: KmsRequest, field: string): ResolvedKey {
  const keyId = request.fields.requiredString(field, longestKeyId);
  return request.keys.resolve(keyId, { region: request.region, accountId: request.principal.accountId });
}
