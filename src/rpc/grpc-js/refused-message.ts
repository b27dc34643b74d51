/**
 * A message that `@grpc/grpc-js` itself refuses because it is over the bound never reaches a method. The call's end
 * then passes here, and gets the sentence, the details and the count that every refusal has. grpc-js offers no hook for
 * ends of its own making (1.14.7, `handleDataFrame` in server-interceptors.js calls `sendStatus` of the call at the
 * bottom), so that function is wrapped, call by call.
 */
import { Metadata, type ServerInterceptingCall, type ServerInterceptor, status } from '@grpc/grpc-js';
import type { CallObserver, Method } from '../method.ts';
import { tooLarge, wireStatus } from '../status.ts';

export interface RefusedMessageOptions {
  readonly methods: readonly Method[];
  /** The bound that is told, in bytes; the transport's own may be wider. */
  readonly maxMessageBytes: number;
  readonly observer: CallObserver;
}

/** Gives grpc-js's own refusals of large messages the form of keyproxy's. */
export function refusedMessage(options: RefusedMessageOptions): ServerInterceptor {
  const { methods, maxMessageBytes, observer } = options;
  const byPath = new Map(methods.map((method) => [`/${method.service}/${method.name}`, method]));
  return (definition, call) => {
    const send = call.sendStatus.bind(call);
    call.sendStatus = (end) => {
      if (end.code !== status.RESOURCE_EXHAUSTED || hasDetails(end.metadata)) return send(end);
      const told = wireStatus(tooLarge('request', { size: undefined, limit: maxMessageBytes }));
      const method = byPath.get(definition.path);
      // A stream was counted when it began; a unary call begins with its message.
      if (method?.kind === 'unary') {
        observer.started(method);
        observer.handled(method, told.codeName, 0);
      }
      return send({ code: told.code, details: told.message, metadata: detailsOf(told.details) });
    };
    // The call itself goes on: a layer around every call would cost its time for the sake of one rare end. The type asks
    // for grpc-js's own class, but what follows uses its interface alone.
    return call as ServerInterceptingCall;
  };
}

function hasDetails(metadata: Metadata | null | undefined): boolean {
  return (metadata?.get('grpc-status-details-bin').length ?? 0) > 0;
}

function detailsOf(details: Buffer): Metadata {
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', details);
  return metadata;
}
