/** What `keyproxy validate` tells of a key of Vault's beyond a round trip: each feature with the permission it needs. */
import { EncryptionContext } from '../../base/encryption-context.ts';
import { KmsError } from '../fault.ts';
import type { Finding } from '../finding.ts';
import type { KeyService } from '../key-service.ts';
import type { LearnedStyle } from './learned-style.ts';
import type { Transit } from './transit.ts';

interface Need {
  readonly path: Parameters<Transit['path']>[0];
  readonly capability: 'update' | 'read';
  readonly feature: string;
  /** Without it keyproxy does not work at all. */
  readonly isVital: boolean;
  /** Only keys of one style need it. */
  readonly style?: 'rsa';
}

const needs: readonly Need[] = [
  { path: 'encrypt', capability: 'update', feature: 'new data keys and rotation', isVital: true },
  { path: 'decrypt', capability: 'update', feature: 'opening data keys', isVital: true },
  {
    path: 'datakey/plaintext',
    capability: 'update',
    feature: 'new data keys under an RSA key',
    isVital: true,
    style: 'rsa',
  },
  {
    path: 'rewrap',
    capability: 'update',
    feature: 'rotation without the data key leaving Vault',
    isVital: false,
    style: 'rsa',
  },
  {
    path: 'keys',
    capability: 'read',
    feature: "a check of the key's type and existence before its first use",
    isVital: false,
  },
];

/** Never throws. */
export async function inspectKey(transit: Transit, style: LearnedStyle, signal: AbortSignal): Promise<Finding[]> {
  try {
    const isRsa = (await style.get(signal)) === 'rsa';
    const wanted = needs.filter((need) => need.style === undefined || isRsa);
    const may = await transit.capabilities(
      wanted.map(({ path }) => transit.path(path)),
      signal,
    );
    const held = (path: Need['path']) => may.get(transit.path(path)) ?? [];
    return [
      ...wanted.map((need) => findingOf(need, transit.path(need.path), held(need.path))),
      upsert(transit, held('encrypt')),
    ];
  } catch (error) {
    return [unseen(error)];
  }
}

/**
 * Whether the context is bound: Vault below 1.13 takes associated data without a word and binds nothing. An RSA key
 * binds none, which is known. Never throws; what a round trip fails with is not told here.
 */
export async function inspectBinding(
  key: KeyService,
  { style, context, signal }: { style: LearnedStyle; context: EncryptionContext; signal: AbortSignal },
): Promise<Finding[]> {
  const step = 'a data key opens with its own context alone';
  const other = EncryptionContext.of([['another', 'context']]);
  try {
    const { plaintext, entry } = await key.generate({ length: 32, context, signal });
    plaintext[Symbol.dispose]();
    (await key.unwrap({ entry, context: other, signal }))[Symbol.dispose]();
    return [{ step, ...((await style.get(signal)) === 'rsa' ? unboundByRsa : unboundByVault) }];
  } catch (error) {
    return error instanceof KmsError && error.fault.kind === 'data' ? [{ step, verdict: 'ok' }] : [];
  }
}

const unboundByRsa = {
  verdict: 'warning',
  advice:
    'an RSA key binds no context, so nobody notices when data keys of this tenant are swapped; prefer aes256-gcm96',
} as const;

const unboundByVault = {
  verdict: 'failed',
  advice: 'this Vault ignores associated data, as versions below 1.13 do; use a newer one, or OpenBao',
} as const;

/** Nothing was learned: what a round trip tells has to do. */
function unseen(error: unknown): Finding {
  const step = "the policy's capabilities can be read";
  const details = error instanceof KmsError ? error.details : undefined;
  const isDenied = error instanceof KmsError && error.fault.kind === 'refusal' && error.fault.reason !== 'ROLE_DENIED';
  const next = isDenied ? 'allow update on sys/capabilities-self, as the policy default does' : details?.advice;
  const advice = [details?.providerCode, next].filter((part) => part !== undefined).join(': ');
  return { step, verdict: 'warning', ...(advice !== '' && { advice }) };
}

function findingOf({ capability, feature, isVital }: Need, path: string, held: readonly string[]): Finding {
  const step = `the policy has ${capability} on ${path}`;
  if (held.includes(capability) || held.includes('root')) return { step, verdict: 'ok' };
  const advice = `without it there is no ${feature}; add to the policy: path "${path}" { capabilities = ["${capability}"] }`;
  return { step, verdict: isVital ? 'failed' : 'warning', advice };
}

/** keyproxy itself never makes a key by encrypting, but whoever else has the token could. */
function upsert(transit: Transit, held: readonly string[]): Finding {
  const path = transit.path('encrypt');
  const step = `the policy lacks create on ${path}`;
  if (!held.includes('create') && !held.includes('root')) return { step, verdict: 'ok' };
  const advice = `with it a key that is missing is made anew without a word; take create from the policy for ${path}`;
  return { step, verdict: 'warning', advice };
}
