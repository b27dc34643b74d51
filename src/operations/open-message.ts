/** The way from a ciphertext to its plaintext, in the order of docs/ciphertexts.md. Decrypt and Rewrap share it. */
import { associatedDataPair, type EncryptionContext, tenantPair } from '../base/encryption-context.ts';
import { KeyproxyError } from '../base/errors.ts';
import { openMessage } from '../envelope/decrypt.ts';
import { type MessageHeader, parseHeader } from '../envelope/header.ts';
import { messageLimits } from '../envelope/limits.ts';
import { committingSuite, suitePolicyAllows } from '../envelope/suites.ts';
import type { Tenant } from '../tenants/tenant.ts';
import type { CallRecord } from './audit-trail.ts';
import { matchesStored, type Pairs } from './context.ts';
import type { Engine } from './engine.ts';
import type { KeyInUse } from './key-in-use.ts';
import type { CacheOperation } from './observer.ts';

export interface CiphertextRequest {
  readonly tenant: Tenant;
  readonly ciphertext: Buffer;
  readonly pairs: Pairs;
  readonly associatedData: Buffer;
  readonly operation: CacheOperation;
  readonly signal: AbortSignal;
  readonly record: CallRecord;
}

export interface OpenedMessage {
  readonly plaintext: Buffer;
  readonly context: EncryptionContext;
  readonly key: KeyInUse['key'];
  /** Whether Encrypt would write it as it is: the tenant's current key, the suite of our own. */
  readonly isCurrent: boolean;
}

/** Bound on the context of a message that is read, in bytes: all that the format holds. */
const maxStoredContextBytes = 0xffff;

/** Opens a message of the tenant's. Everything that is wrong with it is the one `DECRYPT_FAILED`. */
export async function openCiphertext(engine: Engine, request: CiphertextRequest): Promise<OpenedMessage> {
  const { tenant, ciphertext, associatedData, operation, signal, record } = request;
  const { maxEncryptedDataKeys } = messageLimits;
  const header = parseHeader(ciphertext, { maxEncryptedDataKeys, maxContextBytes: maxStoredContextBytes });
  if (!suitePolicyAllows(header.suite, tenant.settings.suites)) fail('its suite is not allowed for the tenant');
  checkContext(engine, request, header);
  using opened = await engine.keys.open({ tenant, context: header.context, operation, signal, record }, header);
  const plaintext = openMessage({ message: ciphertext, header, dataKey: opened.key.dataKey, associatedData });
  opened.keep();
  try {
    record.standsOn(opened);
  } catch (error) {
    plaintext.fill(0);
    throw error;
  }
  const isCurrent = opened.isCurrent && header.suite === committingSuite;
  return { plaintext, context: header.context, key: opened.key, isCurrent };
}

function checkContext(engine: Engine, request: CiphertextRequest, header: MessageHeader): void {
  const { tenant } = request;
  const owner = header.context.pairs.get(tenantPair);
  if (owner === undefined) {
    if (!mayBeForeign(engine, tenant)) fail('it names no tenant');
  } else if (owner !== tenant.id) fail('it names another tenant');
  if (!matchesStored(request.pairs, header.context)) fail('the given context is not the one it was written with');
  const flag = header.context.pairs.get(associatedDataPair);
  if (flag !== undefined && (flag !== '1' || header.suite !== committingSuite))
    fail('its associated-data flag is unknown');
  if ((flag !== undefined) !== request.associatedData.length > 0) fail('associated data is missing, or not expected');
}

/** A message that some official SDK wrote opens only where no other tenant could have meant it. */
function mayBeForeign(engine: Engine, tenant: Tenant): boolean {
  return tenant.settings.foreign && !engine.registry.sharesKeys(tenant);
}

function fail(why: string): never {
  throw new KeyproxyError('DECRYPT_FAILED', { cause: new Error(why) });
}
