/**
 * Server reflection, v1 and v1alpha, so that grpcurl and its like need no proto files
 * (https://github.com/grpc/grpc/blob/master/doc/server-reflection.md). Descriptors are loaded at the first question.
 */
import type { Descriptors } from './descriptors.ts';
import type { BidiStreamMethod } from './method.ts';
import { bytes, choiceOfString, message, number, repeated, repeatedBytes, string } from './protobuf/fields.ts';
import { Message, type MessageOf } from './protobuf/message.ts';

const request = new Message({
  host: string(1),
  fileByFilename: choiceOfString(3),
  fileContainingSymbol: choiceOfString(4),
  fileContainingExtension: bytes(5),
  allExtensionNumbersOfType: choiceOfString(6),
  listServices: choiceOfString(7),
});
const files = new Message({ fileDescriptorProto: repeatedBytes(1) });
const serviceName = new Message({ name: string(1) });
const serviceList = new Message({ service: repeated(1, serviceName) });
const failure = new Message({ errorCode: number(1), errorMessage: string(2) });
const response = new Message({
  validHost: string(1),
  originalRequest: bytes(2),
  fileDescriptorResponse: message(4, files),
  listServicesResponse: message(6, serviceList),
  errorResponse: message(7, failure),
});

const notFound = { errorCode: 5, errorMessage: 'no such file or symbol is offered here' };
const unimplemented = { errorCode: 12, errorMessage: 'extensions are not offered here' };

/** The methods of both versions. `load` is called once, at the first question. */
export function reflectionMethods(load: () => Promise<Descriptors>): BidiStreamMethod[] {
  let loading: Promise<Descriptors> | undefined;
  const descriptors = () => {
    loading ??= load();
    return loading;
  };
  return ['v1', 'v1alpha'].map((version) => ({
    kind: 'bidi_stream',
    service: `grpc.reflection.${version}.ServerReflection`,
    name: 'ServerReflectionInfo',
    exempt: true,
    async *handle(_caller, questions) {
      for await (const question of questions) {
        const asked = request.decode(question);
        yield response.reply({
          validHost: asked.host,
          originalRequest: question,
          ...answer(asked, await descriptors()),
        });
      }
    },
  }));
}

function answer(asked: MessageOf<typeof request.shape>, known: Descriptors): Partial<MessageOf<typeof response.shape>> {
  if (asked.listServices !== undefined) {
    return { listServicesResponse: { service: known.services.map((name) => ({ name })) } };
  }
  const found =
    asked.fileByFilename !== undefined
      ? known.withName(asked.fileByFilename)
      : asked.fileContainingSymbol !== undefined
        ? known.withSymbol(asked.fileContainingSymbol)
        : undefined;
  if (found !== undefined) return { fileDescriptorResponse: { fileDescriptorProto: found } };
  const isKnownQuestion = asked.fileByFilename !== undefined || asked.fileContainingSymbol !== undefined;
  return { errorResponse: isKnownQuestion ? notFound : unimplemented };
}
