/** The preload that tells what a process holds on to: what is held counts, garbage does not. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../support/daemon.ts';
import { memoryHeld, recordMemory } from '../../support/memory-record.ts';

const mib = 2 ** 20;

/** Holds 64 MiB, says so, lets them go at a line of input, and says so. */
const program = `
let held = Buffer.alloc(${64 * mib}, 1);
console.log('held', held.length);
process.stdin.once('data', () => { held = undefined; console.log('gone'); });
`;

test('what a process holds is told, and is gone from the next line once it lets go', async () => {
  await using folder = await temporaryFolder();
  const [file, script] = [join(folder.path, 'memory'), join(folder.path, 'program.mjs')];
  await writeFile(script, program);
  const child = spawn(process.execPath, [script], {
    env: { ...process.env, ...recordMemory(file) },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const before = await memoryHeld(child.pid ?? 0, file);
  child.stdin.write('\n');
  await once(child.stdout, 'data');
  const after = await memoryHeld(child.pid ?? 0, file);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(before.external - after.external).toBeGreaterThan(60 * mib);
  expect(after.heapUsed).toBeGreaterThan(mib);
});
