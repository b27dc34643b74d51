/** The `.proto` files as an independent implementation reads them, to hold keyproxy's own tables against. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  loadFileDescriptorSetFromBuffer,
  loadSync,
  type MethodDefinition,
  type Options,
  type PackageDefinition,
} from '@grpc/proto-loader';

const root = resolve(import.meta.dirname, '../../../proto');
const files = [
  'keyproxy/v1/keyproxy.proto',
  'grpc/health/v1/health.proto',
  'grpc/reflection/v1/reflection.proto',
  'grpc/reflection/v1alpha/reflection.proto',
  'google/rpc/status.proto',
  'google/rpc/error_details.proto',
];
const options: Options = { includeDirs: [root], longs: Number, enums: Number, defaults: true };

/** What the files define. */
export const fromFiles: PackageDefinition = loadSync(files, options);
/** The bytes that reflection hands out. */
export const descriptorBytes: Buffer = readFileSync(resolve(root, 'descriptors.binpb'));
/** What those bytes define. */
export const fromDescriptors: PackageDefinition = loadFileDescriptorSetFromBuffer(descriptorBytes, options);

/** One field, with what it consists of where it is a message. */
export interface FieldFacts {
  /** In camel case. */
  readonly name: string;
  readonly number: number;
  /** As `.proto` files spell it, `map` for maps. */
  readonly type: string;
  readonly isRepeated: boolean;
  readonly fields: readonly FieldFacts[];
}

interface Descriptor {
  readonly name?: string;
  readonly field?: readonly { name: string; number: number; type: string; label: string; typeName?: string }[];
  readonly nestedType?: readonly Descriptor[];
  readonly options?: { readonly mapEntry?: boolean };
  readonly value?: readonly { readonly name: string; readonly number: number }[];
}

/** All fields of a message, given by its full name. */
export function fieldsOf(definition: PackageDefinition, name: string): FieldFacts[] {
  const scope = name.slice(0, name.lastIndexOf('.'));
  const descriptor = descriptorOf(definition, name);
  const nestedOf = (typeName: string): FieldFacts[] => {
    const last = typeName.slice(typeName.lastIndexOf('.') + 1);
    const nested = descriptor.nestedType?.find((each) => each.name === last);
    if (nested !== undefined) return factsOf(nested, nestedOf);
    return fieldsOf(definition, resolved(definition, scope, typeName.replace(/^\./, '')));
  };
  return factsOf(descriptor, nestedOf);
}

/** A name as protobuf resolves it: looked for in the scope, then in each scope around it. */
function resolved(definition: PackageDefinition, scope: string, name: string): string {
  for (let around = scope; around !== ''; around = around.slice(0, Math.max(0, around.lastIndexOf('.')))) {
    if (`${around}.${name}` in definition) return `${around}.${name}`;
  }
  return name;
}

function factsOf(descriptor: Descriptor, nestedOf: (typeName: string) => FieldFacts[]): FieldFacts[] {
  const maps = (descriptor.nestedType ?? []).filter((nested) => nested.options?.mapEntry === true);
  return (descriptor.field ?? []).map(({ name, number, type, label, typeName = '' }) => {
    const isMap = maps.some((map) => map.name === typeName.slice(typeName.lastIndexOf('.') + 1));
    const isMessage = type === 'TYPE_MESSAGE' && !isMap;
    return {
      name: name.replace(/_([a-z])/g, (_all, letter: string) => letter.toUpperCase()),
      number,
      type: isMap ? 'map' : type.replace('TYPE_', '').toLowerCase(),
      isRepeated: label === 'LABEL_REPEATED',
      fields: isMessage ? nestedOf(typeName) : [],
    };
  });
}

/** The values of an enum by name. */
export function valuesOf(definition: PackageDefinition, name: string): Record<string, number> {
  const { value = [] } = descriptorOf(definition, name);
  return Object.fromEntries(value.map((each) => [each.name, each.number]));
}

function descriptorOf(definition: PackageDefinition, name: string): Descriptor {
  const found = definition[name];
  if (found === undefined || !('type' in found)) throw new Error(`${name} is not defined`);
  // What proto-loader makes of a descriptor is a plain object of this form.
  return found.type as Descriptor;
}

/** The codecs of one method. */
export function methodOf(service: string, name: string): MethodDefinition<object, object> {
  const found = fromFiles[service];
  // A definition without a type is a service: methods by name.
  const methods =
    found === undefined || 'type' in found ? {} : (found as Record<string, MethodDefinition<object, object>>);
  const method = methods[name];
  if (method === undefined) throw new Error(`${service} has no method ${name}`);
  return method;
}
