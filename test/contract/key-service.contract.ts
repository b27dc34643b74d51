/**
 * The specification of the port `KeyService`, for every provider. It knows no provider and no environment: a harness
 * says what its environment can do, and the parts for what it cannot are left out. The count at the end keeps a
 * harness that can do nothing from passing.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EncryptedDataKey } from '../../src/base/encrypted-data-key.ts';
import { SecretBytes } from '../../src/base/secret.ts';
import type { KmsFault } from '../../src/kms/fault.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import { context, failureOf, type KeyOperation, never, operations, run, warmed } from './calls.ts';
import { describeDataKeys } from './data-keys.contract.ts';
import { describeRequestIds } from './request-ids.contract.ts';
import type { KeyKind, OpenedKey, OpenOptions, World } from './world.ts';

type Open = (options?: OpenOptions) => Promise<OpenedKey>;

/** Something that happens to a key or its service, and what its calls end with from then on. */
export interface FaultCase<W, Key> {
  readonly name: string;
  /** The calls that meet it; all three where none are given. */
  readonly operations?: readonly KeyOperation[];
  arrange(world: W, key: Key): void;
  /** The fault, or `success` where the service has to get over it by itself. */
  readonly expected: KmsFault | 'success';
  /** Takes it back, after which calls succeed again. */
  undo?(world: W, key: Key): void;
  /** Opens the key that it happens to, where that is not any key. */
  open?(world: W): Promise<Key>;
}

/** A connection that is in trouble, so that a call has to be ended from here. */
export interface SilenceCase<W, Key> {
  readonly name: string;
  arrange(world: W, key: Key): void;
}

export interface KeyServiceHarness<Key extends OpenedKey, W extends World<Key>> {
  start(): Promise<W>;
  /** Kinds of keys that wrap. */
  readonly kinds: readonly KeyKind[];
  /** Kinds of keys that cannot wrap. */
  readonly unsuitableKinds?: readonly string[];
  readonly faults?: readonly FaultCase<W, Key>[];
  readonly silences?: readonly SilenceCase<W, Key>[];
}

const patienceMs = 150;
/** An end that nobody had to wait for, in milliseconds: far below any honest timeout, with room for a busy machine. */
const promptMs = 3_000;

/** Runs the specification against what `harness` starts. */
export function describeKeyServiceContract<Key extends OpenedKey, W extends World<Key>>(
  name: string,
  harness: KeyServiceHarness<Key, W>,
): void {
  describe(`${name}, a key service`, () => {
    let world: W;
    beforeAll(async () => {
      world = await harness.start();
    });
    afterAll(() => world[Symbol.asyncDispose]());
    const open = (options?: OpenOptions) => world.openKey(options);
    for (const kind of harness.kinds) {
      describe(`with a key of kind ${kind.name}`, () => {
        describeDataKeys(kind, open);
        describeRequestIds(kind, () => world);
      });
    }
    describeEnding(harness.kinds, open);
    describeUnsuitable(harness.unsuitableKinds ?? [], open);
    describeFaults(harness.faults ?? [], () => world);
    describeSilence(harness.silences ?? [], () => world);
    it('has at least one kind of key', () => {
      expect(harness.kinds.length).toBeGreaterThan(0);
    });
  });
}

function describeEnding(kinds: readonly KeyKind[], open: Open): void {
  it.each(kinds)(
    'answers no call whose signal has been aborted before it began, with $name',
    async ({ name: kind }) => {
      await using key = await open({ kind });
      const { entry } = await key.service.generate({ length: 32, context, signal: never });
      for (const operation of operations) {
        const error = await failureOf(run(operation, key.service, { entry, signal: AbortSignal.abort() }));
        expect(error.fault.kind).toBe('outage');
      }
    },
  );

  it('can be disposed of at once, and twice', async () => {
    const key = await open();
    await key.service[Symbol.asyncDispose]();
    await key.service[Symbol.asyncDispose]();
  });
}

function describeUnsuitable(kinds: readonly string[], open: Open): void {
  it.each(kinds)('refuses a key of kind %s with KEY_UNSUITABLE', async (kind) => {
    await using key = await open({ kind });
    using plaintext = SecretBytes.adopt(Buffer.alloc(32));
    const expected = { kind: 'config', reason: 'KEY_UNSUITABLE' };
    const { service } = key;
    expect((await failureOf(service.generate({ length: 32, context, signal: never }))).fault).toEqual(expected);
    expect((await failureOf(service.wrap({ plaintext, context, signal: never }))).fault).toEqual(expected);
  });
}

function describeFaults<Key extends OpenedKey, W extends World<Key>>(
  cases: readonly FaultCase<W, Key>[],
  world: () => W,
): void {
  if (cases.length === 0) return;
  describe('when its provider does not answer yes', () => {
    for (const fault of cases) {
      it.each(fault.operations ?? operations)(`sorts ${fault.name} on %s`, async (operation) => {
        await using key = await (fault.open?.(world()) ?? world().openKey());
        const entry = key.ownEntry ?? (await warmed(key.service));
        fault.arrange(world(), key);
        const call = run(operation, key.service, { entry, signal: never });
        if (fault.expected === 'success') await call;
        else expect((await failureOf(call)).fault).toEqual(fault.expected);
        if (fault.undo === undefined) return;
        fault.undo(world(), key);
        await run(operation, key.service, { entry, signal: never });
      });
    }
  });
}

/** As `warmed`, for a service with little patience on a machine that may be busy: honest answers come late there, too. */
async function warmedInTime(service: KeyService): Promise<EncryptedDataKey> {
  for (let attempts = 20; ; attempts--) {
    try {
      return await warmed(service);
    } catch (error) {
      if (attempts === 0) throw error;
    }
  }
}

function describeSilence<Key extends OpenedKey, W extends World<Key>>(
  cases: readonly SilenceCase<W, Key>[],
  world: () => W,
): void {
  if (cases.length === 0) return;
  describe('when a connection gives no answer', () => {
    for (const silence of cases) {
      it.each(operations)(`ends ${silence.name} by its own timeout on %s, as an outage`, async (operation) => {
        await using key = await world().openKey({ timeoutMs: patienceMs });
        const entry = await warmedInTime(key.service);
        silence.arrange(world(), key);
        const start = performance.now();
        const error = await failureOf(run(operation, key.service, { entry, signal: never }));
        expect(error.fault).toEqual({ kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' });
        expect(performance.now() - start).toBeLessThan(promptMs);
      });

      it.each(operations)(`ends ${silence.name} by the caller's signal on %s, at once`, async (operation) => {
        await using key = await world().openKey();
        const entry = await warmed(key.service);
        silence.arrange(world(), key);
        const signal = AbortSignal.timeout(100);
        const start = performance.now();
        const error = await failureOf(run(operation, key.service, { entry, signal }));
        expect(error.fault.kind).toBe('outage');
        expect(performance.now() - start).toBeLessThan(promptMs);
      });
    }
  });
}
