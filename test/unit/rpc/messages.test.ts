/** The tables of messages against the `.proto` files and the descriptors, both ways: no field more, none less. */
import { describe, expect, it } from 'vitest';
import { dekSources } from '../../../src/operations/generate-dek.ts';
import * as messages from '../../../src/rpc/keyproxy-messages.ts';
import { bool, bytes, choiceOfBytes, number, secret, string, stringMap } from '../../../src/rpc/protobuf/fields.ts';
import type { Kind, Message } from '../../../src/rpc/protobuf/message.ts';
import { type FieldFacts, fieldsOf, fromDescriptors, fromFiles, methodOf, valuesOf } from './proto-files.ts';

const tables: Readonly<Record<string, Message<Record<string, never>>>> = Object.fromEntries(
  Object.entries(messages).map(([name, table]) => [fullName(name), table as unknown as Message<Record<string, never>>]),
);

/** `generateDekRequest` stands for `keyproxy.v1.GenerateDEKRequest`. */
function fullName(name: string): string {
  if (name === 'timestamp') return 'google.protobuf.Timestamp';
  const upper = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  return `keyproxy.v1.${upper.replace('GenerateDek', 'GenerateDEK')}`;
}

/** The kinds that may stand for a type of a `.proto` file. */
const kindsOf: Readonly<Record<string, readonly unknown[]>> = {
  string: [string(1).kind],
  bytes: [bytes(1).kind, choiceOfBytes(1).kind, secret(1).kind],
  uint32: [number(1).kind],
  uint64: [number(1).kind],
  int64: [number(1).kind],
  int32: [number(1).kind],
  enum: [number(1).kind],
  bool: [bool(1).kind],
  map: [stringMap(1).kind],
};

interface Row {
  readonly name: string;
  readonly number: number;
}

const rowsOf = (fields: readonly FieldFacts[]): Row[] => fields.map(({ name, number: id }) => ({ name, number: id }));
const defined = Object.keys(fromFiles).filter((name) => name.startsWith('keyproxy.v1.'));

describe('the tables', () => {
  it('stand for every message of the service, and the service has no other', () => {
    const own = defined.filter((name) => 'type' in (fromFiles[name] ?? {}) && !/Source$|State$/.test(name));
    expect(Object.keys(tables).sort()).toEqual([...own, 'google.protobuf.Timestamp'].sort());
  });
});

describe.each(Object.entries(tables))('%s', (name, table) => {
  const fields = fieldsOf(fromFiles, name);

  it('has the names and numbers of the file', () => {
    expect(fields.length).toBeGreaterThan(0);
    const rows = Object.entries<{ number: number }>(table.shape).map(([field, { number: id }]) => ({
      name: field,
      number: id,
    }));
    expect(rows).toEqual(rowsOf(fields));
  });

  it('reads and writes each field as its type', () => {
    const shape = table.shape as Readonly<Record<string, { readonly kind: Kind<unknown> }>>;
    for (const { name: field, type, isRepeated } of fields) {
      const kind = shape[field]?.kind;
      if (type === 'message') expect(kind?.wireType).toBe(2);
      else expect(kindsOf[type]).toContain(kind);
      expect(isRepeated).toBe(type === 'map' || field === 'replicas');
    }
  });
});

describe('descriptors.binpb', () => {
  const shared = Object.keys(fromFiles).filter((name) => name in fromDescriptors);

  it('defines what the files define', () => {
    expect(Object.keys(fromDescriptors).sort()).toEqual(Object.keys(fromFiles).sort());
    expect(shared.length).toBeGreaterThan(30);
  });

  it.each(shared)('agrees with the files about %s', (name) => {
    const [file, descriptor] = [fromFiles[name], fromDescriptors[name]];
    if (file === undefined || descriptor === undefined) throw new Error('a definition is missing');
    if (!('type' in file)) {
      expect(signaturesOf(descriptor)).toEqual(signaturesOf(file));
      return;
    }
    expect(fieldsOf(fromDescriptors, name)).toEqual(fieldsOf(fromFiles, name));
    expect(valuesOf(fromDescriptors, name)).toEqual(valuesOf(fromFiles, name));
  });
});

function signaturesOf(service: object): object[] {
  return Object.values(
    service as Record<string, { path: string; requestStream: boolean; responseStream: boolean }>,
  ).map(({ path, requestStream, responseStream }) => ({ path, requestStream, responseStream }));
}

describe('numbers that stand for names', () => {
  it('are those of the file: sources of a DEK', () => {
    expect(valuesOf(fromFiles, 'keyproxy.v1.DekSource')).toEqual({
      DEK_SOURCE_UNSPECIFIED: dekSources.unspecified,
      DEK_SOURCE_DERIVED: dekSources.derived,
      DEK_SOURCE_KMS: dekSources.kms,
    });
  });

  it('have the one number that is fixed for each state of a tenant', () => {
    expect(valuesOf(fromFiles, 'keyproxy.v1.TenantState')).toEqual({
      TENANT_STATE_UNSPECIFIED: 0,
      TENANT_STATE_ACTIVE: 1,
      TENANT_STATE_PENDING: 2,
      TENANT_STATE_ROTATING: 3,
      TENANT_STATE_REFUSED: 4,
      TENANT_STATE_REVOKED: 5,
    });
  });

  it('are found by path: every method of the service is there', () => {
    const names = ['GenerateDEK', 'Unwrap', 'Encrypt', 'Decrypt', 'Rewrap', 'DescribeTenant'];
    expect(names.map((each) => methodOf('keyproxy.v1.KeyProxy', each).path)).toEqual(
      names.map((each) => `/keyproxy.v1.KeyProxy/${each}`),
    );
  });
});
