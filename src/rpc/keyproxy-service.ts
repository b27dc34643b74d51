/** `keyproxy.v1.KeyProxy`: one row a verb, from the messages on the wire to the engine's functions and back. */
import { decrypt } from '../operations/decrypt.ts';
import { type DescribeTenantAnswer, describeTenant } from '../operations/describe-tenant.ts';
import { encrypt } from '../operations/encrypt.ts';
import type { Engine, Operation } from '../operations/engine.ts';
import { generateDek } from '../operations/generate-dek.ts';
import { rewrap } from '../operations/rewrap.ts';
import { unwrap } from '../operations/unwrap.ts';
import * as messages from './keyproxy-messages.ts';
import type { UnaryMethod } from './method.ts';
import type { Message, MessageOf, Shape } from './protobuf/message.ts';
import { tooLarge } from './status.ts';

/** The service's full name. */
export const keyproxyService = 'keyproxy.v1.KeyProxy';

/** `keyproxy.v1.TenantState` by number. */
const tenantStates: Readonly<Record<DescribeTenantAnswer['state']['kind'], number>> = {
  active: 1,
  refused: 4,
};

/** How much longer the length of a longer field may be, in bytes. */
const spareLengthBytes = 4;

export interface ServiceOptions {
  readonly engine: Engine;
  /** Bound on one message in either direction, in bytes. */
  readonly maxMessageBytes: number;
  /** Put around every verb; absent: nothing is. */
  readonly around?: AroundVerb | undefined;
}

/** The same verb, with something around each of its calls. */
export type AroundVerb = <Q extends { readonly tenantId: string }, A>(verb: Operation<Q, A>) => Operation<Q, A>;

/** An answer on its way out; it may own a secret. */
interface Outgoing<S extends Shape> {
  readonly message: Partial<MessageOf<S>>;
  readonly secret?: Disposable | undefined;
}

/** The methods of the service. */
export function keyproxyMethods(options: ServiceOptions): UnaryMethod[] {
  const { engine, maxMessageBytes, around = (verb) => verb } = options;

  function method<Q extends Shape, A extends Shape, Answer>(
    name: string,
    request: Message<Q>,
    response: Message<A>,
    operation: Operation<MessageOf<Q>, Answer>,
    toMessage: (answer: Answer, request: { readonly size: number; readonly fields: MessageOf<Q> }) => Outgoing<A>,
  ): UnaryMethod {
    return {
      kind: 'unary',
      service: keyproxyService,
      name,
      exempt: false,
      async handle(caller, bytes, signal) {
        checkSize('request', bytes.length, maxMessageBytes);
        const fields = request.decode(bytes);
        const { message, secret } = toMessage(await operation(caller, fields, signal), { size: bytes.length, fields });
        const reply = response.reply(message, secret);
        try {
          checkSize('response', reply.size, maxMessageBytes);
        } catch (error) {
          reply[Symbol.dispose]();
          throw error;
        }
        return reply;
      },
    };
  }

  const withSecret = <T extends { plaintext?: Disposable }>(answer: T) => ({
    message: answer,
    secret: answer.plaintext,
  });
  const m = messages;
  return [
    method('GenerateDEK', m.generateDekRequest, m.generateDekResponse, around(generateDek(engine)), withSecret),
    method('Unwrap', m.unwrapRequest, m.unwrapResponse, around(unwrap(engine)), (answer) => ({
      message: answer,
      secret: answer,
    })),
    method('Encrypt', m.encryptRequest, m.encryptResponse, around(encrypt(engine)), (answer, { size, fields }) => {
      // A request to decrypt has the same fields with the ciphertext in the plaintext's place: it has to fit as well.
      const larger = answer.ciphertext.length - fields.plaintext.length + spareLengthBytes;
      checkSize('request to decrypt it', size + larger, maxMessageBytes);
      return { message: answer };
    }),
    method('Decrypt', m.decryptRequest, m.decryptResponse, around(decrypt(engine)), (answer) => ({
      message: answer,
      secret: { [Symbol.dispose]: () => answer.plaintext.fill(0) },
    })),
    method('Rewrap', m.rewrapRequest, m.rewrapResponse, around(rewrap(engine)), (answer, { size, fields }) => {
      if ('ciphertext' in answer) {
        const larger = answer.ciphertext.length - (fields.ciphertext?.length ?? 0) + spareLengthBytes;
        checkSize('request to decrypt it', size + larger, maxMessageBytes);
      }
      return { message: answer };
    }),
    method(
      'DescribeTenant',
      m.describeTenantRequest,
      m.describeTenantResponse,
      around(describeTenant(engine)),
      description,
    ),
  ];
}

function description(answer: DescribeTenantAnswer) {
  const { state, replicas, contact, ...rest } = answer;
  return {
    message: {
      ...rest,
      ...stateFields(state),
      replicas: replicas.map((replica) => ({ key: replica.key, ...stateFields(replica.state) })),
      ...(contact.lastSuccess !== undefined && { lastSuccess: time(contact.lastSuccess) }),
      ...(contact.lastRefusal !== undefined && { lastRefusal: time(contact.lastRefusal) }),
    },
  };
}

function stateFields(state: DescribeTenantAnswer['state']): { state: number; reason: string } {
  return { state: tenantStates[state.kind], reason: state.reason ?? '' };
}

function time(milliseconds: number): { seconds: number; nanos: number } {
  const whole = Math.floor(milliseconds);
  return { seconds: Math.floor(whole / 1000), nanos: (whole % 1000) * 1e6 };
}

function checkSize(what: string, size: number, limit: number): void {
  if (size > limit) throw tooLarge(what, { size, limit });
}
