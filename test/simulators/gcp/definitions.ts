/**
 * The messages and methods of Cloud KMS, of IAM policies and of error details, from the descriptors that Google's own
 * client library ships.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import {
  type AnyDefinition,
  fromJSON,
  type MethodDefinition,
  type PackageDefinition,
  type ServiceDefinition,
} from '@grpc/proto-loader';

/** A decoded message: fields in camel case, enums by name, 64-bit numbers as strings. */
export type Message = Readonly<Record<string, unknown>>;

/** One unary method on the wire. */
export interface Method {
  /** As in `Encrypt`. */
  readonly name: string;
  readonly decode: (bytes: Buffer) => Message;
  readonly encode: (message: Message) => Buffer;
}

/** The services that the simulator's gRPC port knows by name. */
const services = ['google.cloud.kms.v1.KeyManagementService', 'google.iam.v1.IAMPolicy'] as const;

const form = { longs: String, enums: String, defaults: true } as const;

const kmsProtos = createRequire(import.meta.url).resolve('@google-cloud/kms/build/protos/protos.json');
const gaxProtos = join(dirname(createRequire(kmsProtos).resolve('google-gax')), '../protos');

const kms = load(kmsProtos);
const iam = load(join(gaxProtos, 'iam_service.json'));
const rpc = load(join(gaxProtos, 'status.json'));

/** Path (`/google.cloud.kms.v1.KeyManagementService/Encrypt`) → its method; methods that stream are left out. */
export const methods: ReadonlyMap<string, Method> = new Map(services.flatMap((name) => methodsOf(name)));

/** A method of one of the services, by its name; throws where there is none. */
export function methodDefinition(name: string): MethodDefinition<object, object> {
  const found = services.map((service) => definitionsOf(service)[name]).find((method) => method !== undefined);
  if (found === undefined) throw new Error(`there is no method ${name}`);
  return found;
}

/** A message of `google.rpc` on the wire. */
export function encodeDetail(type: string, fields: object): Buffer {
  return messageOf(`google.rpc.${type}`).serialize(fields);
}

/** A `google.rpc.Status` with its details, each packed as `Any`, on the wire. */
export function encodeStatus(status: {
  readonly code: number;
  readonly message: string;
  readonly details: readonly { readonly type: string; readonly value: Buffer }[];
}): Buffer {
  const details = status.details.map(({ type, value }) => ({
    type_url: `type.googleapis.com/google.rpc.${type}`,
    value,
  }));
  return messageOf('google.rpc.Status').serialize({ ...status, details });
}

/** Reads what `encodeStatus` writes: the details by type, decoded. */
export function decodeStatus(bytes: Buffer): {
  code: number;
  message: string;
  details: { type: string; fields: Message }[];
} {
  const status = messageOf('google.rpc.Status').deserialize(bytes) as {
    code: number;
    message: string;
    details: { type_url: string; value: Buffer }[];
  };
  const details = status.details.map(({ type_url, value }) => {
    const type = type_url.replace('type.googleapis.com/google.rpc.', '');
    return { type, fields: messageOf(`google.rpc.${type}`).deserialize(value) as Message };
  });
  return { code: status.code, message: status.message, details };
}

function load(path: string): PackageDefinition {
  return fromJSON(JSON.parse(readFileSync(path, 'utf8')), form);
}

function definitionsOf(service: (typeof services)[number]): ServiceDefinition {
  const definition = kms[service] ?? iam[service];
  if (definition === undefined || 'format' in definition) throw new Error(`there is no service ${service}`);
  // The union's other members both have a `format`, which TypeScript cannot tell from a method of that name.
  return definition as ServiceDefinition;
}

function methodsOf(service: (typeof services)[number]): [string, Method][] {
  return Object.entries(definitionsOf(service))
    .filter(([, method]) => !method.requestStream && !method.responseStream)
    .map(([name, method]) => [
      method.path,
      {
        name,
        decode: (bytes) => method.requestDeserialize(bytes) as Message,
        encode: (message) => method.responseSerialize(message),
      },
    ]);
}

function messageOf(name: string) {
  const definition = rpc[name];
  if (definition === undefined || !isMessage(definition)) throw new Error(`there is no message ${name}`);
  return definition;
}

function isMessage(definition: AnyDefinition): definition is Extract<AnyDefinition, { serialize: unknown }> {
  return 'serialize' in definition && typeof definition.serialize === 'function';
}
