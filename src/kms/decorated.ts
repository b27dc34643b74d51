/** Puts something around every call of a key service: counting, repeating, cutting short. */
import type { KeyService } from './key-service.ts';

/** What was asked of a key service. */
export type KmsOperation = 'generate' | 'wrap' | 'unwrap' | 'rewrap';

/** Runs `call`, in its own way, perhaps with another signal or several times. */
export type Around = <T>(
  operation: KmsOperation,
  signal: AbortSignal,
  call: (signal: AbortSignal) => Promise<T>,
) => Promise<T>;

/**
 * The same key service with `around` around each of its calls. Takes `service` over; `close` closes it, in its own way
 * where it is given.
 */
export function decorated(
  service: KeyService,
  around: Around,
  close: () => PromiseLike<void> = () => service[Symbol.asyncDispose](),
): KeyService {
  const { rewrap, facts, inspect } = service;
  return {
    provider: service.provider,
    keyId: service.keyId,
    get answers() {
      return service.answers;
    },
    owns: (entry) => service.owns(entry),
    describe: (entry) => service.describe(entry),
    generate: (request) => around('generate', request.signal, (signal) => service.generate({ ...request, signal })),
    wrap: (request) => around('wrap', request.signal, (signal) => service.wrap({ ...request, signal })),
    unwrap: (request) => around('unwrap', request.signal, (signal) => service.unwrap({ ...request, signal })),
    ...(rewrap && {
      rewrap: (request: Parameters<typeof rewrap>[0]) =>
        around('rewrap', request.signal, (signal) => rewrap.call(service, { ...request, signal })),
    }),
    ...(facts && { facts: (call: Parameters<typeof facts>[0]) => facts.call(service, call) }),
    ...(inspect && { inspect: (request: Parameters<typeof inspect>[0]) => inspect.call(service, request) }),
    [Symbol.asyncDispose]: async () => await close(),
  };
}
