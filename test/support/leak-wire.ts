/** Calls with markers in all that a caller can send, and all that comes back of those that fail. */

import { methodOf } from './client.ts';
import { definitionOf } from './client-definitions.ts';
import { errorTold } from './client-errors.ts';
import { sent } from './leak-scene.ts';
import type { Sinks } from './leak-sinks.ts';
import { connectRaw, type Place, type RawCall, type RawConnection, type RawEnd } from './raw-http2.ts';

export const transports = ['native', 'grpc-js'] as const;
export type TransportName = (typeof transports)[number];

/** A connection over one of the transports. */
export interface Wire extends Disposable {
  readonly transport: TransportName;
  readonly raw: RawConnection;
  /** Makes a call of `keyproxy.v1.KeyProxy`, with markers in its metadata. */
  call(method: string, message: object | Buffer, headers?: Readonly<Record<string, string>>): Promise<RawEnd>;
  /** The answer of one that succeeds; throws where it does not. */
  answer<T>(method: string, message: object): Promise<T>;
  /** Makes any call. What a failure tells is kept. */
  send(call: RawCall): Promise<RawEnd>;
}

/** What every request carries beside its tenant. */
export const inputs = {
  plaintext: sent.plaintext.bytes,
  associated_data: sent.associatedData.bytes,
  encryption_context: { purpose: sent.contextValue.text },
};

/** Connects. */
export function connectWire(transport: TransportName, place: Place, sinks: Sinks): Wire {
  const raw = connectRaw(place, 'localhost');
  const metadata = { 'keyproxy-request': 'true', 'x-own': sent.header.text };
  const wire: Wire = {
    ...{ transport, raw },
    call(name, message, headers = {}) {
      const { path, requestSerialize } = methodOf(name);
      const bytes = Buffer.isBuffer(message) ? message : requestSerialize(message);
      return wire.send({ path, messages: [bytes], headers });
    },
    async answer<T>(name: string, message: object) {
      const end = await wire.call(name, message);
      const [answer] = end.messages;
      if (answer === undefined) throw new Error(`${name} over ${transport} ended with ${end.code}: ${end.message}`);
      return methodOf(name).responseDeserialize(answer) as T;
    },
    async send(call) {
      const end = await raw.call({ ...call, headers: { ...metadata, ...call.headers } });
      if (end.code !== 0) {
        sinks.add(`errors over ${transport}`, JSON.stringify(end.headers));
        sinks.add(`errors over ${transport}`, end.message);
        sinks.add(`errors over ${transport}`, end.details);
      }
      return end;
    },
    [Symbol.dispose]: () => raw[Symbol.dispose](),
  };
  return wire;
}

/** The reason that a failed call tells; empty where it tells none. */
export function reasonOf(end: RawEnd): string {
  return errorTold(end.code, end.message, end.details).reason;
}

/** A request to the service of health checks. */
export function healthCall(method: 'Check' | 'Watch', service: string): RawCall {
  const { path, requestSerialize } = definitionOf(`/grpc.health.v1.Health/${method}`);
  return { path, messages: [requestSerialize({ service })] };
}
