/** How each reason of the error table is brought about, with markers in the request and in what the key service says. */
import type { Reason } from '../../src/base/errors.ts';
import type { Fault } from '../simulators/http/fault.ts';
import { methodOf } from './client.ts';
import { type LeakScene, sent } from './leak-scene.ts';
import { healthCall, inputs, reasonOf, type Wire } from './leak-wire.ts';
import { makeIssuerKey } from './token-issuer.ts';

/** Makes calls of which one ends with the reason; resolves with the reasons that were told. */
type Provoke = (wire: Wire, scene: LeakScene) => Promise<readonly string[]>;

/** How a reason is provoked. */
export type Provocation =
  /** On the daemon of the scene, over both transports; `on` is who tells the reason. */
  | { readonly kind: 'call'; readonly on: 'both' | 'native'; readonly run: Provoke }
  /** Otherwise on the daemon of the scene, on another daemon, or in the test's process. */
  | { readonly kind: 'scene' | 'other daemon' | 'here'; readonly how: string };

const limit = 4 * 1024 * 1024;
const both = (run: Provoke): Provocation => ({ kind: 'call', on: 'both', run });
/** The package `@grpc/grpc-js` answers in keyproxy's place, with a text of its own and no reason. */
const native = (run: Provoke): Provocation => ({ kind: 'call', on: 'native', run });

/** A method with a request that has `fields` in the place of some markers. */
function request(method: string, fields: object, headers?: Readonly<Record<string, string>>): Provoke {
  return async (wire) => [reasonOf(await wire.call(method, { ...inputs, ...fields }, headers))];
}

/** An Encrypt for this tenant, whose key service has a fault. */
function faulty(tenant_id: string, fault: Fault, operation?: string): Provoke {
  return (wire, scene) => {
    const { arn: keyArn } = scene.awsKey(tenant_id);
    scene.clouds.aws.faults.add({ service: 'kms', keyArn, fault, ...(operation !== undefined && { operation }) });
    return request('Encrypt', { tenant_id })(wire, scene);
  };
}

function error(code: string, status = 400): Fault {
  return { kind: 'error', code, status, message: sent.providerText.text };
}

/** A caller that says who it is by a token, in all of whose parts there are markers. */
function bearer(token: string) {
  return { authorization: `Bearer ${token}` };
}

function all(...list: readonly Provoke[]): Provoke {
  return async (wire, scene) => {
    const told: string[] = [];
    for (const run of list) told.push(...(await run(wire, scene)));
    return told;
  };
}

const badTokens: Provoke = async (wire, { issuer }) => {
  const { tokenHead, tokenClaim, tokenSignature, authorization } = sent;
  const signed = issuer.mint({ claims: { aud: ['vault'], note: tokenClaim.text } });
  const [head = '', claims = ''] = signed.split('.');
  const odd = Buffer.from(`{"alg":"ES256","kid":"${tokenHead.text}`).toString('base64url');
  const told = [];
  for (const value of [
    `Bearer ${signed}`,
    `Bearer ${head}.${claims}.${tokenSignature.text}`,
    `Bearer ${odd}.${claims}.${tokenSignature.text}`,
    `Bearer ${tokenHead.text}.${tokenClaim.text}.${tokenSignature.text}`,
    `Bearer ${issuer.mint({ header: { alg: tokenHead.text } })}`,
    `Basic ${authorization.text}`,
  ]) {
    told.push(reasonOf(await wire.call('Encrypt', { tenant_id: 'local', ...inputs }, { authorization: value })));
  }
  return told;
};

const unverifiable: Provoke = async (wire, { issuer }) => {
  const body = `{"keys": "${sent.providerText.text}`;
  issuer.mood = { kind: 'body', body };
  try {
    const key = makeIssuerKey('ES256');
    const token = issuer.mint({ key, claims: { note: sent.tokenClaim.text } });
    return [reasonOf(await wire.call('Encrypt', { tenant_id: 'local', ...inputs }, bearer(token)))];
  } finally {
    issuer.mood = { kind: 'well' };
  }
};

const overLimit: Provoke = async (wire) => {
  const call = () => wire.call('Encrypt', { tenant_id: 'busy', ...inputs });
  return (await Promise.all(Array.from({ length: 200 }, call))).map(reasonOf);
};

const overBudget: Provoke = async (wire) => {
  const call = async (_: unknown, index: number) => {
    const encryption_context = { purpose: sent.contextValue.text, n: `${index}` };
    const reason = reasonOf(await wire.call('GenerateDEK', { tenant_id: 'budget', encryption_context }));
    if (reason !== 'KEY_CALLS_OVER_BUDGET') throw new Error('another end');
    return reason;
  };
  return [await Promise.any(Array.from({ length: 30 }, call))];
};

/** Nobody can be told that a call was cancelled: the metrics say that it was. */
const cancelled: Provoke = async (wire, { daemon }) => {
  const count = async () => {
    const text = await (await fetch(`${daemon.http}/metrics`)).text();
    return [...text.matchAll(/^grpc_server_handled_total\{[^}]*grpc_code="CANCELLED"[^}]*\} (\d+)/gm)]
      .map(([, value]) => Number(value))
      .reduce((sum, value) => sum + value, 0);
  };
  const before = await count();
  const { path, requestSerialize } = methodOf('Encrypt');
  const message = requestSerialize({ tenant_id: 'hanging', ...inputs });
  const stream = wire.raw.open({ path, messages: [message], headers: { 'keyproxy-request': 'true' } });
  await new Promise((done) => setTimeout(done, 100));
  stream.close(8);
  for (let tries = 0; tries < 100 && (await count()) === before; tries++) {
    await new Promise((done) => setTimeout(done, 50));
  }
  return (await count()) > before ? ['CANCELLED'] : [];
};

const hangs: Provoke = async (_wire, { clouds, awsKey }) => {
  clouds.aws.faults.add({ service: 'kms', keyArn: awsKey('hanging').arn, fault: { kind: 'hang' } });
  return [];
};

/** A request for `local` whose plaintext ends early. */
const malformed = Buffer.concat([Buffer.from('0a056c6f63616c12ff01', 'hex'), Buffer.from(sent.malformed.text)]);

/** Reason → how to bring it about. */
export const provocations = {
  TENANT_ID_INVALID: both(request('Encrypt', { tenant_id: `${sent.tenant.text} / no name` })),
  TENANT_UNKNOWN: both(request('Encrypt', { tenant_id: 'nobody' })),
  SERVICE_UNKNOWN: both(async (wire) => [reasonOf(await wire.send(healthCall('Check', sent.service.text)))]),
  METHOD_UNKNOWN: native(async (wire) => {
    const paths = [`/keyproxy.v1.KeyProxy/${sent.method.text}`, `/${sent.service.text}/${sent.method.text}`];
    return Promise.all(
      paths.map(async (path) => reasonOf(await wire.send({ path, messages: [sent.malformed.bytes] }))),
    );
  }),
  ENCODING_UNKNOWN: native(request('Encrypt', { tenant_id: 'local' }, { 'grpc-encoding': sent.encoding.text })),
  REQUEST_MALFORMED: both(async (wire) => {
    const odd = await wire.call('Encrypt', { tenant_id: 'local', ...inputs }, { 'grpc-timeout': sent.timeout.text });
    return [reasonOf(odd), reasonOf(await wire.call('Encrypt', malformed))];
  }),
  REQUEST_UNMARKED: { kind: 'scene', how: 'over TLS, since its TCP listener takes nothing else' },
  CALLER_UNAUTHENTICATED: both(badTokens),
  CALLER_UNVERIFIABLE: both(unverifiable),
  ACCESS_DENIED: both(request('Encrypt', { tenant_id: 'not-for-callers' })),
  CALLER_OVER_LIMIT: both(overLimit),
  AUDIT_UNAVAILABLE: { kind: 'other daemon', how: 'its audit log may not grow' },
  MESSAGE_TOO_LARGE: both(
    request('Encrypt', { tenant_id: 'local', plaintext: Buffer.alloc(limit + 1, sent.plaintext.bytes) }),
  ),
  CONTEXT_RESERVED: both(
    all(
      request('Encrypt', { tenant_id: 'local', encryption_context: { 'keyproxy-x': sent.contextValue.text } }),
      request('Encrypt', { tenant_id: 'local', encryption_context: { [`aws-crypto-${sent.misplaced.text}`]: 'x' } }),
    ),
  ),
  CONTEXT_INVALID: both(
    request('Encrypt', { tenant_id: 'local', encryption_context: { purpose: sent.contextValue.text.repeat(300) } }),
  ),
  DEK_LENGTH_INVALID: both(request('GenerateDEK', { tenant_id: 'local', number_of_bytes: 17 })),
  DEK_SOURCE_INVALID: both(async (wire) => [
    reasonOf(await wire.call('GenerateDEK', Buffer.from('0a056c6f63616c187f', 'hex'))),
  ]),
  REWRAP_INPUT_MISSING: both(request('Rewrap', { tenant_id: 'local' })),
  DECRYPT_FAILED: both(
    all(
      request('Decrypt', { tenant_id: 'local', ciphertext: sent.ciphertext.bytes }),
      request('Unwrap', { tenant_id: 'local', wrapped_dek: sent.wrappedDek.bytes }),
    ),
  ),
  CROSS_TENANT_DENIED: both(
    request('Rewrap', { tenant_id: 'local', ciphertext: sent.ciphertext.bytes, target_tenant_id: 'busy' }),
  ),
  KEY_DISABLED: both(async (wire, scene) => {
    scene.awsKey('disabled').disable();
    return request('Encrypt', { tenant_id: 'disabled' })(wire, scene);
  }),
  KEY_PENDING_DELETION: both(async (wire, scene) => {
    if (wire.transport === 'native') scene.awsKey('deleted').scheduleDeletion();
    return request('Encrypt', { tenant_id: 'deleted' })(wire, scene);
  }),
  KEY_STATE_INVALID: both(async (wire, scene) => {
    const { arn: keyArn } = scene.awsKey('unclear');
    scene.clouds.aws.faults.add({ keyArn, operation: 'DescribeKey', fault: error('AccessDeniedException') });
    return faulty('unclear', error('KMSInvalidStateException'), 'GenerateDataKey')(wire, scene);
  }),
  KEY_ACCESS_DENIED: both(faulty('aloud', error('AccessDeniedException'))),
  ROLE_DENIED: both(request('Encrypt', { tenant_id: 'role' })),
  KEY_NOT_FOUND: both(faulty('gone', error('NotFoundException'))),
  KEY_UNSUITABLE: both(request('Encrypt', { tenant_id: 'unsuitable' })),
  KEY_OUTSIDE_SEGREGATION: both(request('Encrypt', { tenant_id: 'fenced' })),
  KEY_SERVICE_MISCONFIGURED: both(request('Encrypt', { tenant_id: 'misconfigured' })),
  KEY_SERVICE_CREDENTIALS: both(faulty('stale', error('UnrecognizedClientException'))),
  KEY_SERVICE_UNAVAILABLE: both(
    all(faulty('silent', error('KMSInternalException', 500)), faulty('silent', { kind: 'reset' })),
  ),
  KEY_SERVICE_THROTTLED: both(faulty('throttled', { kind: 'throttle' })),
  KEY_CALLS_OVER_BUDGET: both(overBudget),
  KEY_UNPROVEN: { kind: 'here', how: 'a minute must pass, and the clock can be moved only here' },
  SHUTTING_DOWN: { kind: 'scene', how: 'at its end' },
  DEADLINE_EXCEEDED: native(all(hangs, request('Encrypt', { tenant_id: 'hanging' }, { 'grpc-timeout': '100m' }))),
  CANCELLED: both(all(hangs, cancelled)),
  INTERNAL: { kind: 'other daemon', how: 'its ciphers were broken by a module that was loaded before it' },
} as const satisfies Readonly<Record<Reason, Provocation>>;
