/** Refusals over a restart: what was written comes back, what was not ours does not, and a crash costs nothing. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RefusalFile, readRefusals } from '../../../src/app/refusal-file.ts';
import { StateFolder } from '../../../src/app/state-folder.ts';
import type { KnownRefusal } from '../../../src/app/tenant-watches.ts';
import { EncryptionContext } from '../../../src/base/encryption-context.ts';
import { parseTenantId } from '../../../src/base/ids.ts';
import { refusalFrom } from '../../../src/tenants/refusal.ts';
import { Samples } from '../../../src/tenants/samples.ts';
import { temporaryFolder } from '../../support/daemon.ts';
import { FakeClock } from '../../support/fake-clock.ts';

let parent: Awaited<ReturnType<typeof temporaryFolder>>;
let folder: StateFolder;
const clock = new FakeClock();
beforeEach(async () => {
  parent = await temporaryFolder();
  folder = await StateFolder.at(parent.path);
});
afterEach(async () => {
  await folder[Symbol.asyncDispose]();
  await parent[Symbol.asyncDispose]();
});

const bytes = (text: string) => Buffer.from(text);
const contextOf = (purpose: string) =>
  EncryptionContext.of([
    ['tenant_id', 'a'],
    ['purpose', purpose],
  ]);
const sampleUnder = (purpose: string) => ({
  entry: { providerId: bytes('aws-kms'), providerInfo: bytes('arn'), ciphertext: bytes(`wrapped for ${purpose}`) },
  context: contextOf(purpose),
  hash: Buffer.alloc(32, 7),
});
const full: KnownRefusal = {
  tenantId: parseTenantId('a'),
  keyId: 'arn:aws:kms:us-east-1:123456789012:key/1',
  refusal: refusalFrom({
    reason: 'KEY_DISABLED',
    since: 17,
    provider: 'aws_kms',
    providerCode: 'DisabledException',
    requestId: 'r-1',
  }),
  samples: new Samples({ wrapped: [sampleUnder('orders'), sampleUnder('invoices')], wanted: contextOf('refunds') }),
};
const bare: KnownRefusal = {
  tenantId: parseTenantId('..'),
  keyId: 'k',
  refusal: refusalFrom({ reason: 'ROLE_DENIED', since: 18, provider: 'vault' }),
  samples: new Samples({ wrapped: [] }),
};

async function written(refusals: readonly KnownRefusal[]): Promise<void> {
  await using file = new RefusalFile({
    folder,
    clock,
    current: () => refusals,
    onFailure: (error) => expect(error).toBeUndefined(),
  });
  file.changed();
}

describe('the file of refusals', () => {
  it('brings back what was written', async () => {
    await written([full, bare]);
    const read = await readRefusals(folder);
    expect(read?.map(({ tenantId, keyId }) => ({ tenantId, keyId }))).toEqual([
      { tenantId: 'a', keyId: full.keyId },
      { tenantId: '..', keyId: 'k' },
    ]);
    expect(read?.map(({ samples }) => samples.wrapped)).toEqual([full.samples.wrapped, []]);
    expect(read?.map(({ samples }) => samples.wanted)).toEqual([full.samples.wanted, undefined]);
    expect(read?.map(({ refusal }) => [refusal.reason, refusal.since, refusal.error.fault])).toEqual([
      ['KEY_DISABLED', 17, { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true }],
      ['ROLE_DENIED', 18, { kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true }],
    ]);
    expect(read?.[0]?.refusal.error.details).toMatchObject({ providerCode: 'DisabledException', requestId: 'r-1' });
  });

  it('is empty where there is none', async () => {
    expect(await readRefusals(folder)).toEqual([]);
  });

  it.each(['', '{', 'null', '[]', '{"version":2,"rows":[]}', '{"version":1,"rows":{}}'])(
    'is set aside where it is %j, and the start goes on',
    async (text) => {
      await writeFile(join(folder.path, 'refusals.json'), text);
      expect(await readRefusals(folder)).toBeUndefined();
      expect(await readdir(folder.path)).toEqual(['lock', 'refusals.json.unreadable']);
    },
  );

  it('leaves out rows that are none, and takes the others', async () => {
    await written([bare]);
    const { rows } = JSON.parse(await readFile(join(folder.path, 'refusals.json'), 'utf8'));
    const broken = [
      null,
      17,
      {},
      { ...rows[0], tenant_id: 'not a tenant' },
      { ...rows[0], reason: 'CANCELLED' },
      { ...rows[0], since: '18' },
    ];
    await writeFile(join(folder.path, 'refusals.json'), JSON.stringify({ version: 1, rows: [...broken, rows[0]] }));
    expect((await readRefusals(folder))?.map(({ tenantId }) => tenantId)).toEqual(['..']);
  });

  it('keeps the refusal where what it was to be asked with cannot be read', async () => {
    await written([full]);
    const text = await readFile(join(folder.path, 'refusals.json'), 'utf8');
    const broken = text.replace(/"hash":"[^"]*"/, '"hash":"AAAA"').replace(/"wanted":"[^"]*"/, '"wanted":17');
    await writeFile(join(folder.path, 'refusals.json'), broken);
    const [read] = (await readRefusals(folder)) ?? [];
    expect(read?.keyId).toBe(full.keyId);
    expect([read?.samples.wrapped, read?.samples.wanted]).toEqual([[sampleUnder('invoices')], undefined]);
  });

  it('has the last word in it, however fast they come', async () => {
    let current: KnownRefusal[] = [];
    {
      await using file = new RefusalFile({
        folder,
        clock,
        current: () => current,
        onFailure: () => expect.unreachable(),
      });
      for (let i = 0; i < 100; i++) {
        current = i % 2 === 0 ? [full] : [full, bare];
        file.changed();
      }
    }
    expect(await readRefusals(folder)).toHaveLength(2);
  });

  it('says where it cannot be written, and tries again by itself', async () => {
    const failures: unknown[] = [];
    const path = join(parent.path, 'gone');
    const gone = await StateFolder.at(path);
    await gone[Symbol.asyncDispose]();
    await parent[Symbol.asyncDispose]();
    await using file = new RefusalFile({
      ...{ folder: gone, clock, current: () => [bare] },
      onFailure: (error) => failures.push(error),
    });
    file.changed();
    await expect.poll(() => failures.length).toBe(1);
    await using _again = await StateFolder.at(path);
    await expect
      .poll(() => {
        clock.advance(2_000);
        return readRefusals(gone);
      })
      .toHaveLength(1);
    expect(failures).toHaveLength(1);
  });
});
