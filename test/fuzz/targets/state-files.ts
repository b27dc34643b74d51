/**
 * Files that an earlier process wrote: whatever they hold, reading them throws nothing, what is taken of them is as it
 * should be, and it is written again as it was read.
 *
 *     text of a file
 */

import { formsOf, keptForms, rowsOf, textOf } from '../../../src/app/kept-json.ts';
import { readRefusals } from '../../../src/app/refusal-file.ts';
import type { StateFolder } from '../../../src/app/state-folder.ts';
import { EncryptionContext } from '../../../src/base/encryption-context.ts';
import { isTenantId } from '../../../src/base/ids.ts';
import { sampleContext, sampleEntry } from '../../support/sample-message.ts';
import { inserted, mutateBytes } from '../engine/bytes.ts';
import { feature } from '../engine/map.ts';
import { Fault, type Target } from '../engine/target.ts';

const version = 1;
const forms = keptForms([{ ...sampleEntry, ciphertext: Buffer.from('c') }], sampleContext);
const row = {
  ...{ tenant_id: 'a', key_id: 'k', reason: 'KEY_DISABLED', since: 17, provider: 'aws_kms' },
  ...{ providerCode: 'DisabledException', requestId: 'r' },
  samples: [{ ...forms, hash: Buffer.alloc(32, 1).toString('base64') }],
  wanted: EncryptionContext.of([['a', 'b']]).serialized.toString('base64'),
};
const words = [
  ...['{', '}', '[', ']', ',', '"', ':', 'null', 'true', '1', '-1', '1e999', '""', '[]', '{}', '"rows"', '"version":1'],
  ...['"__proto__":', '"tenant_id":"b"', '"samples":[{}]', '"hash":""', '"entries":"AAA="', '"reason":"ROLE_DENIED"'],
  ...['"wanted":"AAA="', '"since":', '"provider":', '"key_id":', '"context":""', '\\u0000', '\\ud800'],
] as const;

export const stateFilesTarget: Target = {
  name: 'state-files',
  maxSize: 4_000,
  seeds: [
    textOf([row], version),
    textOf([forms, forms], version),
    textOf([], version),
    textOf([row, forms, row], version),
  ].map((text) => Buffer.from(text)),
  async run(input) {
    const text = input.toString('utf8');
    const rows = rowsOf(text, version);
    const kept = rows?.map(formsOf).filter((each) => each !== undefined) ?? [];
    for (const { entries, entriesBytes, context } of kept) {
      const again = formsOf({ ...keptForms(entries, context) });
      if (again === undefined) throw new Fault('what was written down is not read');
      if (!again.entriesBytes.equals(entriesBytes) || !again.context.equals(context))
        throw new Fault('it is read otherwise');
    }
    let asides = 0;
    // Only these two are asked of a folder here.
    const folder = {
      read: async () => text,
      setAside: async () => {
        asides++;
      },
    } as unknown as StateFolder;
    const refusals = await readRefusals(folder);
    if ((rows === undefined) !== (refusals === undefined && asides === 1))
      throw new Fault('a file is set aside, or is not, and should otherwise');
    for (const { tenantId, refusal, samples } of refusals ?? []) {
      const isSound = isTenantId(tenantId) && refusal.error.fault.kind === 'refusal' && Number.isFinite(refusal.since);
      if (!isSound || samples.wrapped.some(({ hash }) => hash.length !== 32))
        throw new Fault('a refusal is taken that is none');
    }
    feature(32, Math.min(rows?.length ?? 4, 3), Math.min(kept.length, 2));
    feature(33, Math.min(refusals?.length ?? 4, 3), Math.min(refusals?.[0]?.samples.wrapped.length ?? 3, 2));
  },
  mutate(input, dice, other) {
    if (dice.once(2)) return mutateBytes(input, dice, other);
    return inserted(input, dice.below(input.length + 1), Buffer.from(dice.pick(words)));
  },
};
