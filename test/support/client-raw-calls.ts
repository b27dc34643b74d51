/** Calls of `keyproxy.v1.KeyProxy` over a connection of one's own making, so that a test knows which one it used. */
import { methodOf } from './client.ts';
import { type ErrorTold, errorTold } from './client-errors.ts';
import type { RawConnection, RawEnd } from './raw-http2.ts';

const marked = { 'keyproxy-request': 'true' };

/** Sends `message`, an object of the method's request or bytes as they are, and returns how the call ended. */
export function rawEnd(raw: RawConnection, method: string, message: object | Buffer): Promise<RawEnd> {
  const { path, requestSerialize } = methodOf(method);
  const bytes = Buffer.isBuffer(message) ? message : requestSerialize(message);
  return raw.call({ path, messages: [bytes], headers: marked });
}

/** The answer of a call that succeeds; throws where it does not. */
export async function rawAnswer<T>(raw: RawConnection, method: string, message: object | Buffer): Promise<T> {
  const end = await rawEnd(raw, method, message);
  const [answer] = end.messages;
  if (end.code !== 0 || answer === undefined) throw new Error(`${method} ended with ${end.code}: ${end.message}`);
  return methodOf(method).responseDeserialize(answer) as T;
}

/** What a call that fails tells; throws where it succeeds. */
export async function rawFailure(raw: RawConnection, method: string, message: object | Buffer): Promise<ErrorTold> {
  const end = await rawEnd(raw, method, message);
  if (end.code === 0) throw new Error(`${method} succeeded, an error was due`);
  return errorTold(end.code, end.message, end.details);
}
