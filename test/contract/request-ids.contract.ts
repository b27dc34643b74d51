/** The part of the contract that is about finding a call again in the log of its key service. */
import { expect, it } from 'vitest';
import { SecretBytes } from '../../src/base/secret.ts';
import type { ProviderNote } from '../../src/kms/provider-note.ts';
import { context, never, warmed } from './calls.ts';
import type { KeyKind, OpenedKey, World } from './world.ts';

/** Registers the test for one kind of key. */
export function describeRequestIds<Key extends OpenedKey>(kind: KeyKind, world: () => World<Key>): void {
  it('notes the id that its log has for each call, and none where there is none', async () => {
    await using key = await world().openKey({ kind: kind.name });
    const { service } = key;
    const entry = await warmed(service);
    using plaintext = SecretBytes.adopt(Buffer.alloc(32, 9));
    const wrapsThere = kind.wrapsHere !== true;
    const calls: readonly { isAsked: boolean; call: (note: ProviderNote) => Promise<unknown> }[] = [
      { isAsked: wrapsThere, call: (note) => service.generate({ length: 32, context, signal: never, note }) },
      { isAsked: wrapsThere, call: (note) => service.wrap({ plaintext, context, signal: never, note }) },
      { isAsked: true, call: (note) => service.unwrap({ entry, context, signal: never, note }) },
      {
        isAsked: service.rewrap !== undefined,
        call: async (note) => await service.rewrap?.({ entry, context, signal: never, note }),
      },
    ];
    for (const { isAsked, call } of calls) {
      const before = world().requestIds?.();
      const note: ProviderNote = {};
      await call(note);
      const after = world().requestIds?.();
      if (!isAsked || before === undefined || after === undefined) expect(note).toEqual({});
      else if (before === 'unreadable' || after === 'unreadable')
        expect(note.requestId).toMatch(/^[A-Za-z0-9_-]{1,128}$/);
      else expect(after.slice(before.length)).toContain(note.requestId);
    }
  });
}
