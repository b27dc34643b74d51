import { describe, expect, it } from 'vitest';
import { guarded } from '../../../src/kms/guarded.ts';
import type { KeyService } from '../../../src/kms/key-service.ts';
import { observed } from '../../../src/kms/observed.ts';
import { noteRequest, type ProviderNote, requestIdOf } from '../../../src/kms/provider-note.ts';
import { context, never } from '../../contract/calls.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';
import { ManualClock } from './manual-clock.ts';

describe('requestIdOf', () => {
  it.each(['a', '3e0c1a3e-7a52-4b57-9f0d-1c8d4f3a2b10', 'A_b-9', 'x'.repeat(128)])('takes %s', (id) => {
    expect(requestIdOf(id)).toBe(id);
  });

  it.each([
    ['nothing', ''],
    ['129 characters', 'x'.repeat(129)],
    ['a line end', 'abc\ndef'],
    ['a line end at its end', 'abc\n'],
    ['a control sequence', '\u001b[31m'],
    ['a space', 'a b'],
    ['another script', 'é'],
    ['a quote', '"'],
  ])('takes none with %s', (_name, id) => {
    expect(requestIdOf(id)).toBeUndefined();
  });

  it.each([undefined, null, 7, ['a'], { id: 'a' }])('takes no %s', (value) => {
    expect(requestIdOf(value)).toBeUndefined();
  });
});

describe('noteRequest', () => {
  it('keeps the id of the last answer', () => {
    const note: ProviderNote = {};
    noteRequest(note, 'first');
    noteRequest(note, 'second');
    expect(note).toEqual({ requestId: 'second' });
  });

  it('keeps nothing of an earlier answer where the last one has no id', () => {
    const note: ProviderNote = {};
    noteRequest(note, 'first');
    noteRequest(note, 'not an id');
    expect(note).toEqual({});
  });
});

/** A key whose service calls the n-th request `request-n`. */
function naming(): KeyService {
  const key = new FakeKeyService('cmk');
  let requests = 0;
  const answered = <T extends { readonly note?: ProviderNote | undefined }>(request: T): T => {
    noteRequest(request.note, `request-${++requests}`);
    return request;
  };
  return {
    provider: key.provider,
    keyId: key.keyId,
    owns: (entry) => key.owns(entry),
    describe: (entry) => key.describe(entry),
    generate: (request) => key.generate(answered(request)),
    wrap: (request) => key.wrap(answered(request)),
    unwrap: (request) => key.unwrap(answered(request)),
    rewrap: async ({ entry, note }) => {
      answered({ note });
      return entry;
    },
    [Symbol.asyncDispose]: () => key[Symbol.asyncDispose](),
  };
}

it.each(['live', 'background', 'canary'] as const)(
  'A note comes back through all that guards a key, %s',
  async (way) => {
    const clock = new ManualClock();
    const calls = observed(naming(), clock, () => {});
    const options = { clock, random: () => 0, timeoutMs: 1_000, callsPerSecond: 50, concurrency: 16 };
    await using guard = guarded({ calls, canary: calls }, options);
    const service = guard[way];
    const notes: ProviderNote[] = [{}, {}, {}, {}];
    const [first, second, third, fourth] = notes;
    const { plaintext, entry } = await service.generate({ length: 32, context, signal: never, note: first });
    using secret = plaintext;
    await service.wrap({ plaintext: secret, context, signal: never, note: second });
    using _opened = await service.unwrap({ entry, context, signal: never, note: third });
    await service.rewrap?.({ entry, context, signal: never, note: fourth });
    expect(notes.map(({ requestId }) => requestId)).toEqual(['request-1', 'request-2', 'request-3', 'request-4']);
  },
);
