/**
 * What `keyproxy validate` looks at beyond a round trip: which permissions are there and what lacks without them,
 * whether other tenants are kept out, and whether AWS rotates the key. Calls decide; the key's policy, where it may be
 * read, only explains them.
 */
import { randomBytes } from 'node:crypto';
import type { EncryptedDataKey } from '../../base/encrypted-data-key.ts';
import { EncryptionContext, tenantPair } from '../../base/encryption-context.ts';
import { SecretBytes } from '../../base/secret.ts';
import { KmsError } from '../fault.ts';
import type { Finding } from '../finding.ts';
import type { AwsKeyConfig } from '../key-config.ts';
import type { KeyService } from '../key-service.ts';
import { explainPermissions, type PermissionFinding, unboundAdvice } from './explain-policy.ts';
import { parseKeyPolicy } from './key-policy.ts';
import type { KmsCalls } from './kms-calls.ts';
import { type UsedOperation, usedOperations, uses } from './permissions.ts';
import { callerOf } from './policy-decision.ts';
import { checkExternalId, type RoleInQuestion } from './role-inspection.ts';

/** A key with all that its inspection needs; it takes nothing over. */
export interface InspectedKey {
  readonly config: AwsKeyConfig;
  readonly tenantId: string;
  readonly service: KeyService;
  readonly calls: KmsCalls;
  /** Calls that may read the key's policy and rotation, and nothing else; disposed of by the inspection. */
  readonly openReader: () => KmsCalls;
  /** Absent: keyproxy's own identity calls the key. */
  readonly role?: RoleInQuestion;
}

interface Request {
  readonly context: EncryptionContext;
  readonly signal: AbortSignal;
}

/** Everything that was found. Never throws; what a round trip tells anyway is left out. */
export async function inspectKey(key: InspectedKey, request: Request): Promise<Finding[]> {
  const { outcomes, entry } = await tryPermissions(key, request);
  // AWS did not get as far as to answer in the key's name.
  if (outcomes.size === 0) return [];
  using reader = key.openReader();
  const isDenied = [...outcomes.values()].includes('denied');
  const explained = isDenied ? await explain(key, reader, request.signal) : [];
  return [
    ...permissionFindings(outcomes, explained),
    ...(key.role === undefined
      ? await checkBinding(key, entry, request)
      : await checkExternalId(key.role, request.signal)),
    ...(await checkRotation(key, reader, request.signal)),
  ];
}

/** Whether AWS let an operation through, by its name; what ended in any other way is not in it. */
type Outcomes = ReadonlyMap<string, 'allowed' | 'denied'>;

interface Tried {
  readonly outcomes: Outcomes;
  /** Made with the request's own context; absent where none could be made. */
  readonly entry: EncryptedDataKey | undefined;
}

/** Makes each call once. AWS names the operation that it denies, which for an RSA key is another than was meant. */
async function tryPermissions({ service, calls }: InspectedKey, { context, signal }: Request): Promise<Tried> {
  const outcomes = new Map<string, 'allowed' | 'denied'>();
  const attempt = async <T>(operation: UsedOperation, call: () => Promise<T>): Promise<T | undefined> => {
    try {
      const result = await call();
      outcomes.set(operation, 'allowed');
      return result;
    } catch (error) {
      if (isDenial(error)) outcomes.set(error.details.operation, 'denied');
      return undefined;
    }
  };
  await attempt('DescribeKey', () => calls.describeKey(signal));
  const made = await attempt('GenerateDataKey', () => service.generate({ length: 32, context, signal }));
  using plaintext = made?.plaintext ?? SecretBytes.adopt(Buffer.alloc(32));
  const wrapped = await attempt('Encrypt', () => service.wrap({ plaintext, context, signal }));
  const entry = made?.entry ?? wrapped;
  if (entry !== undefined) {
    using _opened = await attempt('Decrypt', () => service.unwrap({ entry, context, signal }));
  }
  return { outcomes, entry };
}

/** What the policy says, where it can be read and the caller's name is known; else nothing. */
async function explain(key: InspectedKey, reader: KmsCalls, signal: AbortSignal): Promise<PermissionFinding[]> {
  // A policy names callers, and only a configured role is known by its name. AWS shows no policy across accounts.
  const caller = key.role === undefined ? undefined : callerOf(key.role.arn);
  const text = caller === undefined ? undefined : await reader.readPolicy(signal).catch(() => undefined);
  if (caller === undefined || text === undefined) return [];
  const policy = parseKeyPolicy(text);
  if (policy.kind === 'unusable') return [];
  const { tenantId, config } = key;
  return explainPermissions(policy.statements, { caller, keyArn: config.keyArn, tenantId, isBehindRole: true });
}

function permissionFindings(outcomes: Outcomes, explained: readonly PermissionFinding[]): Finding[] {
  return usedOperations.flatMap((operation): Finding[] => {
    const { isNeeded, features } = uses[operation];
    const step = `may be used with kms:${operation} (${features})`;
    const outcome = outcomes.get(operation);
    // That the needed ones are there is what the round trip has shown.
    if (outcome === 'allowed') return isNeeded ? [] : [{ step, verdict: 'ok' }];
    if (outcome === undefined) return [];
    const found = explained.find((finding) => finding.operation === operation && finding.verdict !== 'ok');
    const verdict = isNeeded ? 'failed' : 'warning';
    if (found?.advice !== undefined) return [{ step, verdict, advice: found.advice }];
    return [{ step, verdict, advice: genericAdvice(operation) }];
  });
}

function genericAdvice(operation: UsedOperation): string {
  const { isNeeded, features } = uses[operation];
  const where = isNeeded
    ? "to the statement of the key's policy that names keyproxy's role or user, and remove a condition on kms:ViaService"
    : "to the statement of the key's policy that allows kms:GenerateDataKey";
  return (
    `without it ${features} do not work: add kms:${operation} ${where} ` +
    '(keyproxy validate --key-policy FILE names the statement)'
  );
}

/** Tries the key in the name of nobody's tenant, which a policy that is bound to this tenant refuses. */
async function checkBinding(
  key: InspectedKey,
  entry: EncryptedDataKey | undefined,
  { signal }: Request,
): Promise<Finding[]> {
  if (entry === undefined) return [];
  const { service } = key;
  const step = 'refuses every other tenant (kms:EncryptionContext:tenant_id)';
  const context = EncryptionContext.of([[tenantPair, `nobody-${randomBytes(8).toString('hex')}`]]);
  const generated = await outcomeOf(() =>
    service.generate({ length: 32, context, signal }).then((made) => made.plaintext),
  );
  const opened = await outcomeOf(() => service.unwrap({ entry, context, signal }));
  if (generated === 'unclear' || opened === 'unclear') {
    return [{ step, verdict: 'warning', advice: 'AWS gave no clear answer; try again' }];
  }
  const open: UsedOperation[] = [];
  if (generated === 'allowed') open.push('GenerateDataKey');
  if (opened === 'allowed') open.push('Decrypt');
  if (open.length === 0) return [{ step, verdict: 'ok' }];
  return [{ step, verdict: 'warning', advice: unboundAdvice(open) }];
}

/** A context that does not open an entry has passed the policy, which AWS asks first. */
async function outcomeOf(call: () => Promise<Disposable>): Promise<'allowed' | 'denied' | 'unclear'> {
  try {
    using _secret = await call();
    return 'allowed';
  } catch (error) {
    if (isDenial(error)) return 'denied';
    return error instanceof KmsError && error.fault.kind === 'data' ? 'allowed' : 'unclear';
  }
}

/** Tells how often AWS replaces the material; nothing where that may not be read, or the key is none that rotates. */
async function checkRotation({ config }: InspectedKey, reader: KmsCalls, signal: AbortSignal): Promise<Finding[]> {
  const rotation = await reader.readRotation(signal).catch(() => undefined);
  if (rotation === undefined) return [];
  if (rotation.isOn) {
    const every = rotation.days === undefined ? '' : ` every ${rotation.days} days`;
    return [{ step: `is rotated by AWS${every}`, verdict: 'ok' }];
  }
  const advice = `turn it on with aws kms enable-key-rotation --key-id ${config.keyArn}; keyproxy needs no change`;
  return [{ step: 'is rotated by AWS', verdict: 'warning', advice }];
}

function isDenial(error: unknown): error is KmsError {
  return error instanceof KmsError && error.fault.kind === 'refusal' && error.fault.reason === 'KEY_ACCESS_DENIED';
}
