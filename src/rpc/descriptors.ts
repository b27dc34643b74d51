/**
 * Descriptors of the offered services, as reflection hands them out: files by their name and by the symbols that
 * they define, each with the files that it imports. They come from `proto/descriptors.binpb`, which the protobuf
 * compiler made of the `.proto` files (the command is in CONTRIBUTING.md, a test holds the two together).
 */
import { bytes, repeated, repeatedBytes, repeatedString, string } from './protobuf/fields.ts';
import { Message } from './protobuf/message.ts';

/** What reflection asks of descriptors. */
export interface Descriptors {
  /** Full names of the services. */
  readonly services: readonly string[];
  /** The file of this name and all that it imports, each once; undefined where there is none. */
  withName(name: string): readonly Buffer[] | undefined;
  /** The same for the file that defines a symbol, given by its full name. */
  withSymbol(symbol: string): readonly Buffer[] | undefined;
}

// Of google/protobuf/descriptor.proto, what names things.
const fileSet = new Message({ file: repeatedBytes(1) });
const member = new Message({ name: string(1) });
const withMembers = new Message({ name: string(1), member: repeated(2, member), nested: repeatedBytes(3) });
const file = new Message({
  name: string(1),
  package: string(2),
  dependency: repeatedString(3),
  messageType: repeatedBytes(4),
  enumType: repeated(5, member),
  service: repeated(6, withMembers),
  options: bytes(8),
});

interface KnownFile {
  readonly bytes: Buffer;
  readonly dependencies: readonly string[];
}

/** Reads a serialised `google.protobuf.FileDescriptorSet`. */
export function readDescriptors(set: Buffer): Descriptors {
  const files = new Map<string, KnownFile>();
  const fileOfSymbol = new Map<string, string>();
  const services: string[] = [];
  for (const descriptor of fileSet.decode(set).file) {
    const read = file.decode(descriptor);
    files.set(read.name, { bytes: descriptor, dependencies: read.dependency });
    const define = (symbol: string) => fileOfSymbol.set(symbol, read.name);
    for (const type of read.messageType) defineMessage(read.package, type, define);
    for (const type of read.enumType) define(`${read.package}.${type.name}`);
    for (const service of read.service) {
      const name = `${read.package}.${service.name}`;
      services.push(name);
      define(name);
      for (const method of service.member ?? []) define(`${name}.${method.name}`);
    }
  }
  const withName = (name: string) => (files.has(name) ? closure(name, files) : undefined);
  return {
    services,
    withName,
    withSymbol(symbol) {
      const name = fileOfSymbol.get(symbol);
      return name === undefined ? undefined : withName(name);
    },
  };
}

function defineMessage(scope: string, descriptor: Buffer, define: (symbol: string) => void): void {
  const read = withMembers.decode(descriptor);
  const name = `${scope}.${read.name}`;
  define(name);
  for (const nested of read.nested) defineMessage(name, nested, define);
}

function closure(start: string, files: ReadonlyMap<string, KnownFile>): Buffer[] {
  const names = new Set([start]);
  for (const name of names) for (const dependency of files.get(name)?.dependencies ?? []) names.add(dependency);
  return [...names].flatMap((name) => files.get(name)?.bytes ?? []);
}
