/** What docs/ciphertexts.md says, recomputed by its own script, which shares no code with keyproxy. */
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/daemon.ts';
import { folderOf } from './ready.ts';
import { run } from './run.ts';

const folder = folderOf('grpcio');
const document = resolve(import.meta.dirname, '../../docs/ciphertexts.md');
const vectors = resolve(import.meta.dirname, '../vectors/keyproxy.json');

describe.skipIf(folder === undefined)('the script of docs/ciphertexts.md', () => {
  async function recompute(file: string) {
    const scripts = [...(await readFile(document, 'utf8')).matchAll(/^```python\n(.*?)^```$/gms)];
    expect(scripts).toHaveLength(1);
    return run(join(folder ?? '', 'bin/python'), ['-', file], { input: scripts[0]?.[1] ?? '' });
  }

  it('recomputes every known answer', async () => {
    const { code, stdout, stderr } = await recompute(vectors);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(Number(/^(\d+) answers recomputed$/m.exec(stdout)?.[1])).toBeGreaterThan(20);
  });

  it('finds one changed digit', async () => {
    await using place = await temporaryFolder();
    const changed = join(place.path, 'changed.json');
    const text = await readFile(vectors, 'utf8');
    await writeFile(changed, text.replace(/"message": "02/, '"message": "03'));
    const { code, stderr } = await recompute(changed);
    expect(code).toBe(1);
    expect(stderr).toContain('AssertionError');
  });
});
