/** A grpc-js client that hands out both forms of every message: the object, and its bytes for a load generator. */
import { join, resolve } from 'node:path';
import { Client, credentials } from '@grpc/grpc-js';
import { loadSync, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader';

/** The folder with the contracts. */
export const protoFolder = resolve(import.meta.dirname, '../proto');

const options = { includeDirs: [protoFolder], keepCase: true, longs: Number, enums: String, defaults: true };
// proto-loader's answer holds services and messages alike; this name is a service's.
const service = loadSync(join(protoFolder, 'keyproxy/v1/keyproxy.proto'), options)[
  'keyproxy.v1.KeyProxy'
] as ServiceDefinition;

/** A call that succeeded. */
export interface Exchange<T> {
  readonly request: Buffer;
  readonly response: Buffer;
  readonly answer: T;
}

/** The definition of a method, `Encrypt` say. Throws where there is none. */
function definition(method: string): MethodDefinition<object, object> {
  const found = service[method];
  if (found === undefined) throw new Error(`the service has no method ${method}`);
  return found;
}

/** The path of a method on the wire. */
export function pathOf(method: string): string {
  return definition(method).path;
}

/** The bytes of a request. */
export function requestBytes(method: string, request: object): Buffer {
  return definition(method).requestSerialize(request);
}

/** The answer that bytes stand for. */
export function decodedAnswer(method: string, bytes: Buffer): object {
  return definition(method).responseDeserialize(bytes);
}

/** One connection to the server on a Unix socket. */
export class RawClient implements Disposable {
  readonly #client: Client;

  constructor(socket: string) {
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure());
  }

  /** Calls a method; rejects with grpc-js's ServiceError where it fails. */
  call<T>(method: string, request: object): Promise<Exchange<T>> {
    const { path, responseDeserialize } = definition(method);
    const bytes = requestBytes(method, request);
    const same = (message: Buffer) => message;
    return new Promise((done, fail) => {
      this.#client.makeUnaryRequest(path, same, same, bytes, (error, response) => {
        if (error !== null || response === undefined) fail(error ?? new Error(`${method} had no answer`));
        // The caller names the shape, as the .proto file has it.
        else done({ request: bytes, response, answer: responseDeserialize(response) as T });
      });
    });
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}
