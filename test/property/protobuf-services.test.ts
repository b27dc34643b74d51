/**
 * Health and reflection as a foreign client sees them: protobufjs writes the question and reads the answer. Their tables
 * are their services' own, so they are held against it through the methods.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Caller } from '../../src/base/caller.ts';
import { KeyproxyError } from '../../src/base/errors.ts';
import { readDescriptors } from '../../src/rpc/descriptors.ts';
import { Health, healthMethods } from '../../src/rpc/health.ts';
import type { Method } from '../../src/rpc/method.ts';
import { reflectionMethods } from '../../src/rpc/reflection.ts';
import { bytesOf } from '../../src/rpc/reply.ts';
import { bytes, otherOf, plain } from '../support/message-play.ts';
import { descriptorBytes } from '../unit/rpc/proto-files.ts';

const services = ['keyproxy.v1.KeyProxy', 'grpc.health.v1.Health'];
const name = fc.oneof(fc.constantFrom('', ...services), fc.string({ unit: 'binary', maxLength: 20 }));
const caller: Caller = { kind: 'anonymous' };

/** The first answer of a method, or the reason of its failure. */
async function answerOf(method: Method | undefined, question: Buffer): Promise<Buffer | string> {
  if (method === undefined) throw new Error('there is no such method');
  const ending = new AbortController();
  const { signal } = ending;
  try {
    if (method.kind === 'unary') return bytesOf(await method.handle(caller, question, signal));
    const answers =
      method.kind === 'server_stream'
        ? method.handle(caller, question, signal)
        : method.handle(caller, one(question), signal);
    for await (const answer of answers) {
      ending.abort();
      return bytesOf(answer);
    }
    throw new Error('the method gave no answer');
  } catch (error) {
    if (error instanceof KeyproxyError) return error.reason;
    throw error;
  }
}

async function* one(question: Buffer): AsyncIterable<Buffer> {
  yield question;
}

describe('health', () => {
  const [request, response] = [
    otherOf('grpc.health.v1.HealthCheckRequest'),
    otherOf('grpc.health.v1.HealthCheckResponse'),
  ];
  const health = new Health(services);
  const [check, watch] = healthMethods(health);

  it('tells every name what it is, in numbers that protobufjs reads', async () => {
    await fc.assert(
      fc.asyncProperty(name, fc.boolean(), async (service, serving) => {
        health.serving = serving;
        const status = serving ? 1 : 2;
        const question = request.encode({ service });
        const [checked, watched] = [await answerOf(check, question), await answerOf(watch, question)];
        const isKnown = health.knows(service);
        if (!isKnown) expect(checked).toBe('SERVICE_UNKNOWN');
        else expect(response.decode(Buffer.from(checked as Buffer))).toEqual({ status });
        expect(response.decode(Buffer.from(watched as Buffer))).toEqual({ status: isKnown ? status : 3 });
      }),
    );
  });

  it('answers or refuses whatever the bytes', async () => {
    await fc.assert(
      fc.asyncProperty(bytes, async (question) => {
        const answer = await answerOf(check, question);
        expect(Buffer.isBuffer(answer) || ['SERVICE_UNKNOWN', 'REQUEST_MALFORMED'].includes(answer)).toBe(true);
      }),
    );
  });
});

describe.each(['v1', 'v1alpha'])('reflection %s', (version) => {
  const of = (message: string) => otherOf(`grpc.reflection.${version}.ServerReflection${message}`);
  const [request, response] = [of('Request'), of('Response')];
  const known = readDescriptors(descriptorBytes);
  const method = reflectionMethods(async () => known).find(({ service }) => service.includes(`.${version}.`));
  const symbol = fc.oneof(fc.constantFrom(...known.services), name);
  const question = fc.oneof(
    fc.record({ host: name, listServices: name }),
    fc.record({ host: name, fileContainingSymbol: symbol }),
    fc.record({ host: name, fileByFilename: symbol }),
    fc.record({ host: name, allExtensionNumbersOfType: symbol }),
    fc.record({
      ...{ host: name },
      fileContainingExtension: fc.record({ containingType: name, extensionNumber: fc.nat() }),
    }),
  );

  it('answers each question with what protobufjs reads as the question itself and its answer', async () => {
    await fc.assert(
      fc.asyncProperty(question, async (asked) => {
        const encoded = request.encode(asked);
        const answer = await answerOf(method, encoded);
        const read = response.decode(answer as Buffer) as Record<string, unknown>;
        expect(plain(read['originalRequest'])).toEqual(plain(request.decode(encoded)));
        expect(read['validHost']).toBe(asked.host);
        expect(plain(read)).toMatchObject(plain(expectedFor(asked)) as object);
      }),
    );
  });

  function expectedFor(asked: object): object {
    if ('listServices' in asked) {
      return { listServicesResponse: { service: known.services.map((each) => ({ name: each })) } };
    }
    const files = 'fileContainingSymbol' in asked ? known.withSymbol(String(asked.fileContainingSymbol)) : undefined;
    if (files !== undefined) return { fileDescriptorResponse: { fileDescriptorProto: files } };
    const isOffered = 'fileContainingSymbol' in asked || 'fileByFilename' in asked;
    return { errorResponse: { errorCode: isOffered ? 5 : 12 } };
  }

  it('answers or refuses whatever the bytes', async () => {
    await fc.assert(
      fc.asyncProperty(bytes, async (asked) => {
        const answer = await answerOf(method, asked);
        expect(Buffer.isBuffer(answer) || answer === 'REQUEST_MALFORMED').toBe(true);
      }),
    );
  });
});
