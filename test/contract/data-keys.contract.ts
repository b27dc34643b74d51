/** The part of the contract that is about bytes: what was wrapped comes back, and nothing else does. */
import { inspect } from 'node:util';
import { expect, it } from 'vitest';
import { EncryptionContext } from '../../src/base/encryption-context.ts';
import { SecretBytes } from '../../src/base/secret.ts';
import { context, expectDataFault, failureOf, flipped, never } from './calls.ts';
import type { KeyKind, OpenedKey, OpenOptions } from './world.ts';

type Open = (options?: OpenOptions) => Promise<OpenedKey>;

/** Registers the tests for one kind of key; `open` makes a new one. */
export function describeDataKeys(kind: KeyKind, open: Open): void {
  describeRoundTrips(kind, open);
  describeDamage(kind, open);
  if (kind.bindsContext) describeContexts(kind, open);
  describeOwnership(kind, open);
}

function describeRoundTrips(kind: KeyKind, open: Open): void {
  it.each([16, 24, 32, 64])('generates a data key of %i bytes and unwraps it to the same bytes', async (length) => {
    await using key = await open({ kind: kind.name });
    const { plaintext, entry } = await key.service.generate({ length, context, signal: never });
    expect(plaintext.length).toBe(length);
    using unwrapped = await key.service.unwrap({ entry, context, signal: never });
    expect(unwrapped.reveal()).toEqual(plaintext.reveal());
  });

  it.each([16, 24, 32, 64])('wraps %i given bytes, leaves them alone, and unwraps them again', async (length) => {
    await using key = await open({ kind: kind.name });
    using plaintext = SecretBytes.adopt(Buffer.alloc(length, 0xa7));
    const entry = await key.service.wrap({ plaintext, context, signal: never });
    expect(plaintext.reveal()).toEqual(Buffer.alloc(length, 0xa7));
    using unwrapped = await key.service.unwrap({ entry, context, signal: never });
    expect(unwrapped.reveal()).toEqual(plaintext.reveal());
  });

  it(`wraps the same bytes to ${kind.wrapsDiffer === false ? 'the same entry' : 'another entry each time'}`, async () => {
    await using key = await open({ kind: kind.name });
    using plaintext = SecretBytes.adopt(Buffer.alloc(32, 1));
    const wraps = [0, 1].map(() => key.service.wrap({ plaintext, context, signal: never }));
    const [a, b] = await Promise.all(wraps);
    expect(a?.ciphertext.equals(b?.ciphertext ?? Buffer.alloc(0))).toBe(kind.wrapsDiffer === false);
  });

  it('never generates the same key twice', async () => {
    await using key = await open({ kind: kind.name });
    const first = await key.service.generate({ length: 32, context, signal: never });
    const second = await key.service.generate({ length: 32, context, signal: never });
    expect(first.plaintext.reveal().equals(second.plaintext.reveal())).toBe(false);
  });

  it('unwraps an entry as often as asked, many at a time', async () => {
    await using key = await open({ kind: kind.name });
    const { plaintext, entry } = await key.service.generate({ length: 32, context, signal: never });
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => key.service.unwrap({ entry, context, signal: never })),
    );
    for (const answer of answers) expect(answer.reveal()).toEqual(plaintext.reveal());
  });
}

function describeDamage(kind: KeyKind, open: Open): void {
  it('takes a changed byte anywhere in the ciphertext for a fault of the data', async () => {
    await using key = await open({ kind: kind.name });
    const { entry } = await key.service.generate({ length: 32, context, signal: never });
    const { length } = entry.ciphertext;
    const places = [0, 1, 8, 16, Math.floor(length / 2), length - 17, length - 16, length - 1];
    for (const place of new Set(places.filter((at) => at >= 0))) {
      await expectDataFault(key.service, { ...entry, ciphertext: flipped(entry.ciphertext, place) });
    }
  });

  it('takes a ciphertext that is cut, empty or too long for a fault of the data', async () => {
    await using key = await open({ kind: kind.name });
    const { entry } = await key.service.generate({ length: 32, context, signal: never });
    const { ciphertext } = entry;
    const cuts = [0, 1, 15, 16, ciphertext.length - 1].map((end) => ciphertext.subarray(0, end));
    for (const damaged of [...cuts, Buffer.concat([ciphertext, Buffer.alloc(1)]), Buffer.alloc(6_145, 1)]) {
      await expectDataFault(key.service, { ...entry, ciphertext: damaged });
    }
  });

  it('says nothing of the bytes in its error', async () => {
    await using key = await open({ kind: kind.name });
    const { entry } = await key.service.generate({ length: 32, context, signal: never });
    const ciphertext = flipped(entry.ciphertext, entry.ciphertext.length - 1);
    const error = await failureOf(key.service.unwrap({ entry: { ...entry, ciphertext }, context, signal: never }));
    const shown = inspect(error, { depth: 9, showHidden: true });
    for (const form of ['base64', 'hex'] as const) expect(shown).not.toContain(ciphertext.toString(form).slice(0, 24));
  });
}

function describeContexts(kind: KeyKind, open: Open): void {
  it('binds the context: no other one opens an entry', async () => {
    await using key = await open({ kind: kind.name });
    const { entry } = await key.service.generate({ length: 32, context, signal: never });
    const pairs = [...context.pairs];
    const others = [
      [],
      pairs.slice(1),
      [...pairs, ['more', 'pairs'] as const],
      pairs.map(([name, value]) => [name, name === 'tenant_id' ? 'other' : value] as const),
      pairs.map(([name, value]) => [name, value.toUpperCase()] as const),
    ];
    for (const other of others) await expectDataFault(key.service, entry, EncryptionContext.of(other));
  });

  it('takes pairs of any order and script', async () => {
    await using key = await open({ kind: kind.name });
    const pairs: [string, string][] = [
      ['z', 'é'],
      ['tenant_id', 'acme'],
      ['Ä', '😀'],
      ['a b', '\u{1F600}"\\'],
    ];
    const { plaintext, entry } = await key.service.generate({
      length: 32,
      context: EncryptionContext.of(pairs),
      signal: never,
    });
    const turned = EncryptionContext.of(pairs.toReversed());
    using unwrapped = await key.service.unwrap({ entry, context: turned, signal: never });
    expect(unwrapped.reveal()).toEqual(plaintext.reveal());
  });
}

function describeOwnership(kind: KeyKind, open: Open): void {
  it('owns what it wrapped, and names the key', async () => {
    await using key = await open({ kind: kind.name });
    const { service } = key;
    const { entry } = await service.generate({ length: 32, context, signal: never });
    expect(service.owns(entry)).toBe(true);
    expect(service.describe(entry)).toMatchObject({ provider: service.provider, keyId: service.keyId });
  });

  it('neither owns nor opens what another key wrapped', async () => {
    await using mine = await open({ kind: kind.name });
    await using other = await open({ kind: kind.name });
    const { entry } = await other.service.generate({ length: 32, context, signal: never });
    expect(mine.service.keyId).not.toBe(other.service.keyId);
    expect(mine.service.owns(entry)).toBe(false);
    await expectDataFault(mine.service, entry);
    const own = await mine.service.generate({ length: 32, context, signal: never });
    await expectDataFault(mine.service, { ...own.entry, ciphertext: entry.ciphertext });
  });

  it('owns no entry with a changed, cut or longer name', async () => {
    await using key = await open({ kind: kind.name });
    const { entry } = await key.service.generate({ length: 32, context, signal: never });
    const changed = (field: Buffer) => [
      flipped(field, 0),
      field.subarray(1),
      Buffer.concat([field, Buffer.from('x')]),
      Buffer.alloc(0),
    ];
    for (const providerId of changed(entry.providerId)) {
      expect(key.service.owns({ ...entry, providerId })).toBe(false);
    }
    for (const providerInfo of changed(entry.providerInfo)) {
      expect(key.service.owns({ ...entry, providerInfo })).toBe(false);
    }
  });
}
