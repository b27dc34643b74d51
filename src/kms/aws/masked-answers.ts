/**
 * Takes data keys out of the answers of AWS KMS before the SDK reads them. The SDK would make text of each answer, of the
 * text another one for each value, and out of that the bytes; nobody could wipe the texts. So the body is read here, the
 * value of `Plaintext` is cut out of its bytes, and what is left goes on to the SDK, whose answer gets the bytes back. An
 * answer that does not end is given up, whatever its status: the SDK would read on.
 *
 * The SDK's stack of middleware (https://smithy.io/2.0/guides/understanding-middleware.html): of the step `deserialize`
 * what has a high priority stands around the SDK's own part, and what has a low one within.
 */
import type { KMSClient } from '@aws-sdk/client-kms';
import { ownBytes } from '../../base/bytes.ts';
import { decodeBase64 } from '../base64.ts';
import { fields } from '../fields.ts';
import { parseMasked } from '../masked-json.ts';
import { noAnswer } from './failure.ts';

/** The fields of an answer whose values are secrets (AWS KMS API Reference, GenerateDataKey and Decrypt). */
const secretNames: ReadonlySet<string> = new Set(['Plaintext']);

/** The longest answer, in bytes: many times the longest of AWS KMS, a page of tags. */
const maxAnswerBytes = 2 ** 20;

/** The part of the SDK's `HttpResponse` that is read and changed. */
interface HttpAnswer {
  readonly statusCode: number;
  body: AsyncIterable<unknown> | Uint8Array;
}

/** Makes a client's answers carry `Plaintext` in memory of its own; what they came in is overwritten. */
export function maskAnswers({ middlewareStack }: Pick<KMSClient, 'middlewareStack'>): void {
  /** What was cut out of the answer to a request, until the SDK has read the rest. */
  const plaintexts = new WeakMap<object, Buffer>();
  middlewareStack.add(
    (next) => async (call) => {
      const result = await next(call);
      const { response } = result;
      const plaintext = isAnswer(response) ? await takePlaintext(response) : undefined;
      if (plaintext !== undefined) plaintexts.set(call, plaintext);
      return result;
    },
    { step: 'deserialize', priority: 'low', name: 'keyproxyMasksAnswers' },
  );
  middlewareStack.add(
    (next) => async (call) => {
      try {
        const result = await next(call);
        const Plaintext = plaintexts.get(call);
        if (Plaintext !== undefined && result.output !== undefined) Object.assign(result.output, { Plaintext });
        return result;
      } catch (error) {
        plaintexts.get(call)?.fill(0);
        throw error;
      }
    },
    { step: 'deserialize', priority: 'high', name: 'keyproxyCompletesAnswers' },
  );
}

function isAnswer(response: unknown): response is HttpAnswer {
  const { statusCode, body } = fields(response);
  return typeof statusCode === 'number' && typeof body === 'object' && body !== null && Symbol.asyncIterator in body;
}

/** Replaces the body by one without the plaintext, which it returns, if there is one; the caller owns it. */
async function takePlaintext(response: HttpAnswer): Promise<Buffer | undefined> {
  const body = await collect(response.body);
  response.body = body;
  if (response.statusCode !== 200) return undefined;
  const masked = parseMasked(body, secretNames);
  const [text, ...others] = masked?.secrets ?? [];
  if (text === undefined) return undefined;
  const { Plaintext: _number, ...rest } = fields(masked?.value);
  response.body = Buffer.from(JSON.stringify(rest));
  const plaintext = decodeBase64(text);
  for (const secret of [text, ...others]) secret.fill(0);
  return plaintext;
}

/**
 * All of a body in memory of its own; the pieces that it came in are overwritten. Throws what the stream fails with, and a
 * KmsError where it is too long.
 */
async function collect(body: HttpAnswer['body']): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  try {
    let size = 0;
    for await (const chunk of body) {
      if (!(chunk instanceof Uint8Array)) continue;
      chunks.push(chunk);
      size += chunk.length;
      if (size > maxAnswerBytes) throw noAnswer('AnswerTooLong', 'ReadAnswer');
    }
    const whole = ownBytes(size);
    let at = 0;
    for (const chunk of chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  } finally {
    for (const chunk of chunks) chunk.fill(0);
  }
}
