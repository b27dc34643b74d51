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
import { temporaryFolder } from '../../support/daemon.ts';

let parent: Awaited<ReturnType<typeof temporaryFolder>>;
let folder: StateFolder;
beforeEach(async () => {
  parent = await temporaryFolder();
  folder = await StateFolder.at(parent.path);
});
afterEach(() => parent[Symbol.asyncDispose]());

const bytes = (text: string) => Buffer.from(text);
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
  sample: {
    entry: { providerId: bytes('aws-kms'), providerInfo: bytes('arn'), ciphertext: bytes('wrapped') },
    context: EncryptionContext.of([['tenant_id', 'a']]),
    hash: Buffer.alloc(32, 7),
  },
};
const bare: KnownRefusal = {
  tenantId: parseTenantId('..'),
  keyId: 'k',
  refusal: refusalFrom({ reason: 'ROLE_DENIED', since: 18, provider: 'vault' }),
};

async function written(refusals: readonly KnownRefusal[]): Promise<void> {
  await using file = new RefusalFile({
    folder,
    current: () => refusals,
    onFailure: (error) => expect(error).toBeUndefined(),
  });
  file.changed();
}

describe('the file of refusals', () => {
  it('brings back what was written', async () => {
    await written([full, bare]);
    const read = await readRefusals(folder);
    expect(read?.map(({ tenantId, keyId, sample }) => ({ tenantId, keyId, sample }))).toEqual([
      { tenantId: 'a', keyId: full.keyId, sample: full.sample },
      { tenantId: '..', keyId: 'k', sample: undefined },
    ]);
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
      expect(await readdir(folder.path)).toEqual(['refusals.json.unreadable']);
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

  it('keeps refusal and context where what it was to be asked with cannot be read', async () => {
    await written([full]);
    const text = await readFile(join(folder.path, 'refusals.json'), 'utf8');
    await writeFile(join(folder.path, 'refusals.json'), text.replace(/"hash":"[^"]*"/, '"hash":"AAAA"'));
    const read = await readRefusals(folder);
    expect(read?.map(({ keyId, sample }) => [keyId, sample])).toEqual([
      [full.keyId, { context: full.sample?.context }],
    ]);
  });

  it('has the last word in it, however fast they come', async () => {
    let current: KnownRefusal[] = [];
    {
      await using file = new RefusalFile({ folder, current: () => current, onFailure: () => expect.unreachable() });
      for (let i = 0; i < 100; i++) {
        current = i % 2 === 0 ? [full] : [full, bare];
        file.changed();
      }
    }
    expect(await readRefusals(folder)).toHaveLength(2);
  });

  it('says where it cannot be written, and tries again with the next change', async () => {
    const failures: unknown[] = [];
    const path = join(parent.path, 'gone');
    const gone = await StateFolder.at(path);
    await parent[Symbol.asyncDispose]();
    const file = new RefusalFile({ folder: gone, current: () => [bare], onFailure: (error) => failures.push(error) });
    file.changed();
    await file[Symbol.asyncDispose]();
    expect(failures).toHaveLength(1);
    const again = await StateFolder.at(path);
    file.changed();
    await file[Symbol.asyncDispose]();
    expect(await readRefusals(again)).toHaveLength(1);
  });
});
