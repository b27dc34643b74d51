/**
 * Tells an answer of the service from one of something in between. grpc-js turns the 403 of a proxy's HTML page into
 * PERMISSION_DENIED and a stream that was cut into whatever code fits best, as if Cloud KMS had said so.
 */
import { InterceptingCall, type Interceptor, type Metadata } from '@grpc/grpc-js';

/** Watches one call. */
export class AnswerWatch {
  #isGrpc = false;
  #isCut = false;

  /** For the options of the call. */
  readonly interceptor: Interceptor = (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) => {
        next(metadata, {
          onReceiveMetadata: (received, pass) => {
            this.#note(received);
            pass(received);
          },
          onReceiveStatus: (status, pass) => {
            this.#note(status.metadata);
            // Set by grpc-js where it made the status up from the way in which the stream ended.
            this.#isCut = 'rstCode' in status;
            pass(status);
          },
        });
      },
    });

  /** Whether the status of the call is one that a gRPC service sent. */
  get isFromService(): boolean {
    return this.#isGrpc && !this.#isCut;
  }

  #note(metadata: Metadata): void {
    const [type] = metadata.get('content-type');
    if (typeof type === 'string' && type.startsWith('application/grpc')) this.#isGrpc = true;
  }
}
