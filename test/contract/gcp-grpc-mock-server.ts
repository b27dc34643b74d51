/** Cloud KMS as grpc-mock plays it: by rules, without any cryptography, on Google's own service definition. */
import { createRequire } from 'node:module';
import { encodeDetail, encodeStatus } from '../simulators/gcp/definitions.ts';
import { freePort } from '../support/daemon.ts';

interface MockServer {
  readonly server: {
    bindAsync(address: string, credentials: unknown, done: (error: Error | null) => void): void;
    forceShutdown(): void;
  };
  getInteractionsOn(method: string): readonly unknown[];
}

interface GrpcMock {
  createMockServer(options: object): MockServer;
}

interface Grpc {
  readonly ServerCredentials: { createInsecure(): unknown };
  readonly Metadata: new () => { set(key: string, value: Buffer): void };
}

const require = createRequire(import.meta.url);
// Neither package has types; the parts in use are those of their READMEs.
const { createMockServer } = require('grpc-mock') as GrpcMock;
const { ServerCredentials, Metadata } = require('grpc') as Grpc;

/** The whole definition as one file: the mock's old parser does not get through Google's imports. */
const definition = require.resolve('@google-cloud/kms/build/protos/protos.json');

/** What a method answers for the requests whose JSON fits `input`, a regular expression. */
export interface Rule {
  readonly method: string;
  readonly input: string;
  readonly output?: object;
  readonly error?: object;
}

/** A detail by the name of its message in `google.rpc`. */
export interface Detail {
  readonly type: string;
  readonly fields: object;
}

export interface PlayedKms extends AsyncDisposable {
  readonly endpoint: string;
  /** Requests that a method has had; it has to have a rule. */
  asked(method: string): number;
}

/** Starts Cloud KMS with these rules on a free loopback port. */
export async function playKms(rules: readonly Rule[]): Promise<PlayedKms> {
  const mock = createMockServer({
    protoPath: definition,
    packageName: 'google.cloud.kms.v1',
    serviceName: 'KeyManagementService',
    options: { longs: String, enums: String },
    rules,
  });
  const target = `127.0.0.1:${await freePort()}`;
  // The mock's own `listen` is made for the retired native `grpc`; its server has the current call.
  await new Promise<void>((done, fail) => {
    mock.server.bindAsync(target, ServerCredentials.createInsecure(), (error) => (error ? fail(error) : done()));
  });
  return {
    endpoint: `http://${target}`,
    asked: (method) => mock.getInteractionsOn(method).length,
    [Symbol.asyncDispose]: async () => mock.server.forceShutdown(),
  };
}

/**
 * An error with details. grpc-mock makes text of metadata, which details are not; so it is shown metadata where it
 * copies the error's fields, and none where it looks whether there is any to make text of.
 */
export function errorWith(code: number, details: readonly Detail[]): object {
  const message = 'played by grpc-mock';
  const metadata = new Metadata();
  const packed = details.map(({ type, fields }) => ({ type, value: encodeDetail(type, fields) }));
  metadata.set('grpc-status-details-bin', encodeStatus({ code, message, details: packed }));
  let isCopied = false;
  return Object.defineProperty({ code, message }, 'metadata', {
    enumerable: true,
    get() {
      isCopied = !isCopied;
      return isCopied ? metadata : undefined;
    },
  });
}
