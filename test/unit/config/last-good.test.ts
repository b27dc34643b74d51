import { describe, expect, test } from 'vitest';
import { mergeScan } from '../../../src/config/last-good.ts';
import { parseTenantFile } from '../../../src/config/tenant-file.ts';
import type { DirectoryScan, FileState, LoadedTenant } from '../../../src/config/tenant-scan.ts';

function tenant(id: string, file: string, hash = 'v1'): LoadedTenant {
  const text = `customer: c\ntenant_id: ${id}\nencryption: {provider: local, local: {key_name: k, key_file: k}}\n`;
  const { config } = parseTenantFile(text, file, { allowLocal: true, trustedEndpoints: [] });
  if (config === undefined) throw new Error('the tenant is not valid');
  return { config, file, hash };
}

function good(loaded: LoadedTenant): [string, FileState] {
  return [loaded.file, { kind: 'good', tenant: loaded }];
}

function bad(file: string): [string, FileState] {
  return [file, { kind: 'bad', hash: 'x', problems: [{ file, line: 1, path: '', message: 'is bad' }] }];
}

function scan(...files: [string, FileState][]): DirectoryScan {
  return { kind: 'read', files: new Map(files) };
}

function served(...tenants: LoadedTenant[]): Map<LoadedTenant['config']['tenantId'], LoadedTenant> {
  return new Map(tenants.map((loaded) => [loaded.config.tenantId, loaded]));
}

const a = tenant('a', 'a.yaml');
const b = tenant('b', 'b.yaml');

describe('what is served after a look at the folder', () => {
  test('what did not change is not announced', () => {
    const change = mergeScan(served(a, b), scan(good(a), good(b)));
    expect(change).toEqual({ tenants: served(a, b), changed: [], removed: [], problems: [] });
  });

  test('new, changed and removed tenants are told apart', () => {
    const changed = tenant('a', 'a.yaml', 'v2');
    const added = tenant('c', 'c.yaml');
    const change = mergeScan(served(a, b), scan(good(changed), good(added)));
    expect(change).toEqual({
      tenants: served(changed, added),
      changed: [changed, added],
      removed: ['b'],
      problems: [],
    });
  });

  test('a file that went bad keeps its last good version and is a problem', () => {
    const change = mergeScan(served(a, b), scan(bad('a.yaml'), good(b)));
    expect(change).toMatchObject({ changed: [], removed: [], problems: [{ file: 'a.yaml' }] });
    expect(change.tenants.get(a.config.tenantId)).toBe(a);
    expect(change.tenants.get(b.config.tenantId)).toBe(b);
  });

  test('a bad file that was never good is a problem and no tenant', () => {
    const change = mergeScan(served(a), scan(good(a), bad('n.yaml')));
    expect(change).toMatchObject({ tenants: served(a), changed: [], problems: [{ file: 'n.yaml' }] });
  });

  test('a folder that cannot be read keeps every tenant', () => {
    const problem = { file: 'dir', line: 0, path: '', message: 'cannot be read (ENOENT)' };
    const change = mergeScan(served(a, b), { kind: 'unreadable', problem });
    expect(change).toEqual({ tenants: served(a, b), changed: [], removed: [], problems: [problem] });
  });

  test('a file under a new name is the same tenant', () => {
    const moved = { ...a, file: 'z.yaml' };
    const change = mergeScan(served(a), scan(good(moved)));
    expect(change).toEqual({ tenants: served(moved), changed: [], removed: [], problems: [] });
  });

  test('a tenant whose file is bad is not served from it once another file has it', () => {
    const moved = tenant('a', 'z.yaml', 'v2');
    const change = mergeScan(served(a), scan(bad('a.yaml'), good(moved)));
    expect(change).toMatchObject({ tenants: served(moved), changed: [moved], removed: [] });
  });

  test('of two files that claim one tenant neither is taken, and both are named', () => {
    const rival = tenant('a', 'r.yaml', 'v2');
    const fresh = mergeScan(served(), scan(good(a), good(rival)));
    expect(fresh.tenants.size).toBe(0);
    expect(fresh.problems).toEqual([
      { file: 'r.yaml', line: 0, path: 'tenant_id', message: expect.stringMatching(/^a is also the tenant of a.yaml/) },
    ]);
    const later = mergeScan(served(a), scan(good(tenant('a', 'a.yaml', 'v3')), good(rival)));
    expect(later).toMatchObject({ tenants: served(a), changed: [], removed: [] });
    expect(later.problems).toHaveLength(1);
  });

  test('a file that now holds another tenant removes the one it held', () => {
    const other = tenant('o', 'a.yaml', 'v2');
    expect(mergeScan(served(a), scan(good(other)))).toMatchObject({ tenants: served(other), removed: ['a'] });
  });
});

describe('the audience of the tokens that a Vault gets', () => {
  /** A tenant with a Vault of its customer's, at `host`, that gets tokens for `audience`. */
  function withVault(id: string, vault: { customer?: string; host?: string; audience: string; hash?: string }) {
    const { customer = id, host = id, audience, hash = 'v1' } = vault;
    const address = `https://${host}.example:8200`;
    const auth = `{method: kubernetes, role: r, audience: '${audience}'}`;
    const text = `customer: ${customer}\ntenant_id: ${id}\nencryption: {provider: vault, vault: {address: '${address}', key_name: k, auth: ${auth}}}\n`;
    const { config } = parseTenantFile(text, `${id}.yaml`, { allowLocal: false, trustedEndpoints: [] });
    if (config === undefined) throw new Error('the tenant is not valid');
    return { config, file: `${id}.yaml`, hash };
  }

  const acme = withVault('acme', { audience: 'vault://customer' });

  test('is not that of another customer’s Vault: neither is taken, and both are named', () => {
    const globex = withVault('globex', { audience: 'vault://customer' });
    const fresh = mergeScan(served(), scan(good(acme), good(b), good(globex)));
    expect([...fresh.tenants.keys()]).toEqual(['b']);
    const path = 'encryption.vault.auth.audience';
    expect(fresh.problems).toEqual([
      {
        ...{ file: 'acme.yaml', line: 0, path },
        message: expect.stringMatching(
          /^vault:\/\/customer is what globex's Vault at https:\/\/globex\.example:8200 gets/,
        ),
      },
      { file: 'globex.yaml', line: 0, path, message: expect.stringContaining("acme's Vault") },
    ]);
  });

  test('is his who has it, whatever the order of the files', () => {
    const aardvark = withVault('aardvark', { audience: 'vault://customer' });
    const change = mergeScan(served(acme), scan(good(aardvark), good(acme)));
    expect(change).toMatchObject({
      tenants: served(acme),
      changed: [],
      removed: [],
      problems: [{ file: 'aardvark.yaml' }],
    });
  });

  test('that is another’s leaves a tenant as it was', () => {
    const before = withVault('globex', { audience: 'vault://globex' });
    const after = withVault('globex', { audience: 'vault://customer', hash: 'v2' });
    const change = mergeScan(served(acme, before), scan(good(acme), good(after)));
    expect(change).toMatchObject({ changed: [], removed: [], problems: [{ file: 'globex.yaml' }] });
    expect(change.tenants).toEqual(served(acme, before));
  });

  test('is free again as soon as who had it asks for another', () => {
    const before = withVault('globex', { audience: 'vault://globex' });
    const [first, second] = [
      withVault('acme', { audience: 'vault://globex', hash: 'v2' }),
      withVault('globex', { audience: 'vault://customer', hash: 'v2' }),
    ];
    const swapped = mergeScan(served(acme, before), scan(good(first), good(second)));
    expect(swapped).toMatchObject({ tenants: served(first, second), problems: [] });
    const moved = withVault('acme', { audience: 'vault://acme', hash: 'v2' });
    const late = mergeScan(served(acme), scan(good(moved), good(second)));
    expect(late).toMatchObject({ tenants: served(moved, second), problems: [] });
  });

  test('that a version keeps which is served on is not another’s', () => {
    const before = withVault('globex', { audience: 'vault://globex' });
    const after = withVault('globex', { audience: 'vault://customer', hash: 'v2' });
    const late = withVault('initech', { audience: 'vault://globex' });
    const change = mergeScan(served(acme, before), scan(good(acme), good(late), good(after)));
    expect(change).toMatchObject({ changed: [], removed: [] });
    expect(change.tenants).toEqual(served(acme, before));
    expect(change.problems.map(({ file }) => file).toSorted()).toEqual(['globex.yaml', 'initech.yaml']);
  });

  test('is free again when its tenant is gone', () => {
    const globex = withVault('globex', { audience: 'vault://customer' });
    expect(mergeScan(served(acme), scan(good(globex)))).toMatchObject({ tenants: served(globex), problems: [] });
  });

  test('stays with a tenant that moves, whatever it is called', () => {
    const moved = withVault('acme', { customer: 'acme2', host: 'new', audience: 'vault://customer', hash: 'v2' });
    expect(mergeScan(served(acme), scan(good(moved)))).toMatchObject({ tenants: served(moved), problems: [] });
  });

  test.each([
    ['by tenants of one customer', withVault('other', { customer: 'acme', audience: 'vault://customer' })],
    ['by tenants at one server', withVault('other', { host: 'acme', audience: 'vault://customer' })],
  ])('can be shared %s', (_how, other) => {
    const change = mergeScan(served(), scan(good(acme), good(other)));
    expect(change).toMatchObject({ tenants: served(acme, other), problems: [] });
  });
});
