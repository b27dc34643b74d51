/** What `keyproxy validate` says about a key beyond a round trip. */
import type { protos } from '@google-cloud/kms';
import { errorTable } from '../../base/errors.ts';
import { KmsError, publicReason } from '../fault.ts';
import type { Finding } from '../finding.ts';
import { type KeyStyle, rsaAlgorithms, styleOfKey, unsuitableAdvice } from './key-style.ts';
import type { KmsCalls } from './kms-calls.ts';
import { versionName, versionOf } from './names.ts';
import { type Permission, permissions } from './permissions.ts';
import { RsaVersions } from './rsa-version.ts';

type CryptoKey = protos.google.cloud.kms.v1.ICryptoKey;

interface InspectOptions {
  /** The version that the configuration names. */
  readonly configured: string | undefined;
  readonly signal: AbortSignal;
}

/** Looks at the key, at the version in use, and at what keyproxy is allowed. Throws nothing. */
export async function inspectKey(calls: KmsCalls, options: InspectOptions): Promise<Finding[]> {
  const key = await asked(calls.call('getCryptoKey', { name: calls.keyName }, { signal: options.signal }));
  const style = key instanceof KmsError ? undefined : styleOfKey(key);
  return [
    ...(key instanceof KmsError ? [unseen(key)] : describedKey(key, style)),
    ...(await versionFindings(calls, { ...options, key: key instanceof KmsError ? {} : key })),
    ...(style?.kind === 'rsa' && options.configured === undefined ? [await newestFinding(calls, options.signal)] : []),
    ...(await permissionFindings(calls, { ...options, kind: style?.kind ?? 'symmetric' })),
  ];
}

/** Without the right to look, the round trip decides; what looking would give is worth knowing. */
function unseen(error: KmsError): Finding {
  const step = 'the key can be looked at';
  if (error.fault.kind !== 'refusal') return { step, verdict: 'failed', advice: sentenceOf(error) };
  const advice =
    'grant roles/cloudkms.viewer on the key: with it keyproxy knows its kind, finds the newest version of an RSA key ' +
    'and tells a disabled version from one that does not exist';
  return { step, verdict: 'warning', advice };
}

function describedKey(key: CryptoKey, style: KeyStyle | undefined): Finding[] {
  const { algorithm, protectionLevel } = key.versionTemplate ?? {};
  const step = `the key can wrap data keys (${[key.purpose, algorithm, protectionLevel].map(plain).join(', ')})`;
  const isUsable =
    style?.kind === 'symmetric' || (style?.kind === 'rsa' && Object.hasOwn(rsaAlgorithms, plain(algorithm)));
  if (style === undefined || !isUsable) return [{ step, verdict: 'failed', advice: unsuitableAdvice }];
  return [{ step, verdict: 'ok' }, ...(style.kind === 'symmetric' ? [rotation(key)] : [])];
}

function rotation({ rotationPeriod, versionTemplate }: CryptoKey): Finding {
  const days = Math.round(Number(rotationPeriod?.seconds ?? 0) / 86_400);
  if (days > 0) return { step: `the key is rotated every ${days} days`, verdict: 'ok' };
  const isExternal = plain(versionTemplate?.protectionLevel).startsWith('EXTERNAL');
  const advice = isExternal
    ? 'rotate the key in the external key manager, then make a new version of it'
    : 'set a rotation period on the key; versions before the rotation stay readable';
  return { step: 'the key is rotated by itself', verdict: 'warning', advice };
}

/** The state of the version that new data keys go under, where that is known before one is made. */
async function versionFindings(
  calls: KmsCalls,
  { configured, key, signal }: InspectOptions & { readonly key: CryptoKey },
): Promise<Finding[]> {
  const version = configured ?? versionOf(calls.keyName, key.primary?.name);
  if (version === undefined) return [];
  const isPrimary = version === versionOf(calls.keyName, key.primary?.name);
  const request = { name: versionName(calls.keyName, version) };
  const found = isPrimary ? key.primary : await asked(calls.call('getCryptoKeyVersion', request, { signal, version }));
  if (found instanceof KmsError) {
    const verdict = found.fault.kind === 'refusal' ? 'warning' : 'failed';
    return [{ step: `the state of version ${version} is known`, verdict, advice: sentenceOf(found) }];
  }
  const state = plain(found?.state);
  const step = `version ${version}${isPrimary ? ', the primary,' : ''} is enabled`;
  if (state === 'ENABLED') return [{ step, verdict: 'ok' }];
  return [{ step, verdict: 'failed', advice: `it is ${state}: enable it, or make another version the primary` }];
}

/** An RSA key has no primary: data keys go under the newest version that is enabled. */
async function newestFinding(calls: KmsCalls, signal: AbortSignal): Promise<Finding> {
  const newest = await asked(new RsaVersions(calls, undefined).newest(signal));
  if (newest instanceof KmsError) {
    return { step: 'the newest enabled version is known', verdict: 'failed', advice: sentenceOf(newest) };
  }
  return { step: `version ${newest}, the newest that is enabled, is known`, verdict: 'ok' };
}

/** Google answers what is allowed to whoever asks for itself; where it does not, the round trip has to tell. */
async function permissionFindings(
  calls: KmsCalls,
  { kind, signal }: InspectOptions & { readonly kind: KeyStyle['kind'] },
): Promise<Finding[]> {
  const wanted = permissions.filter(({ neededBy }) => neededBy.length === 0 || neededBy.includes(kind));
  const request = { resource: calls.keyName, permissions: wanted.map(({ name }) => name) };
  const answer = await asked(calls.call('testIamPermissions', request, { signal }));
  if (answer instanceof KmsError) {
    return [{ step: 'the permissions on the key are known', verdict: 'warning', advice: sentenceOf(answer) }];
  }
  const allowed = new Set(answer.permissions ?? []);
  return wanted.map((permission) => permissionFinding(permission, allowed.has(permission.name)));
}

function permissionFinding({ name, role, without, neededBy }: Permission, isAllowed: boolean): Finding {
  const step = `keyproxy has the permission ${name}`;
  if (isAllowed) return { step, verdict: 'ok' };
  const verdict = neededBy.length === 0 ? 'warning' : 'failed';
  return { step, verdict, advice: `grant ${role} on the key: without it ${without}` };
}

async function asked<T>(call: Promise<T>): Promise<T | KmsError> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof KmsError) return error;
    throw error;
  }
}

function sentenceOf({ fault, details }: KmsError): string {
  const { message } = errorTable[publicReason(fault)];
  return details.advice === undefined ? message : `${message}: ${details.advice}`;
}

/** The name of an enumeration's value, and nothing else that an answer may hold. */
function plain(value: unknown): string {
  const name = String(value);
  return /^[A-Z][A-Z0-9_]{0,63}$/.test(name) ? name : 'unknown';
}
