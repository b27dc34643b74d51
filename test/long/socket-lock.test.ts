/**
 * Real processes that want one lock in the same millisecond, over nothing and over the socket of a dead one, and with
 * one of them killed at a random moment of it. Alone: `npx vitest run --project long test/long/socket-lock.test.ts`.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { takeLock } from '../../src/base/socket-lock.ts';
import { temporaryFolder } from '../support/daemon.ts';
import { leaveDeadSocket } from '../support/dead-socket.ts';
import type { StarterOrder } from '../support/lock-starter.ts';

const rounds = 400;
/** Time between the order and the moment of the start, in milliseconds. */
const aheadMs = 8;
/** From the start until the last moment at which one is killed, in milliseconds. */
const killWithinMs = 25;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let starters: ChildProcess[];
beforeEach(async () => {
  folder = await temporaryFolder();
  starters = [];
});
afterEach(async () => {
  await Promise.all(starters.map(kill));
  await folder[Symbol.asyncDispose]();
});

async function start(): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL('../support/lock-starter.ts', import.meta.url)), { execArgv: [] });
  starters.push(child);
  await once(child, 'message');
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

/** What the process answers; `killed` if it does not. */
function answerOf(child: ChildProcess, order: StarterOrder): Promise<unknown> {
  const answer = new Promise((done) => {
    const end = (kind: unknown) => {
      child.off('message', end).off('exit', killed);
      done(kind);
    };
    const killed = () => end('killed');
    child.on('message', end).on('exit', killed);
  });
  child.send(order);
  return answer;
}

it.each([
  [2, 'nothing', async () => {}],
  [3, 'nothing', async () => {}],
  [5, 'nothing', async () => {}],
  [2, 'the socket of a dead process', leaveDeadSocket],
  [3, 'the socket of a dead process', leaveDeadSocket],
  [5, 'the socket of a dead process', leaveDeadSocket],
] as const)('of %i processes that start at once over %s one has the lock', async (count, _, prepare) => {
  const children = await Promise.all(Array.from({ length: count }, start));
  const seen: Record<string, number> = {};
  for (let round = 0; round < rounds; round++) {
    const path = join(folder.path, `lock${round}`);
    await prepare(path);
    const at = Date.now() + aheadMs;
    const kinds = await Promise.all(children.map((child) => answerOf(child, { path, at })));
    const outcome = kinds.sort().join(' ');
    seen[outcome] = (seen[outcome] ?? 0) + 1;
    await Promise.all(children.map((child) => answerOf(child, 'give_back')));
  }
  expect(seen).toEqual({ [['held', ...Array(count - 1).fill('taken')].join(' ')]: rounds });
  expect(await readdir(folder.path)).toEqual([]);
});

it('has one living holder at most where one of four is killed meanwhile, and the next one finds it as it is', async () => {
  for (let round = 0; round < rounds / 2; round++) {
    const path = join(folder.path, `lock${round}`);
    await leaveDeadSocket(path);
    const children = await Promise.all(Array.from({ length: 4 }, start));
    const at = Date.now() + aheadMs;
    const answers = Promise.all(children.map((child) => answerOf(child, { path, at })));
    await setTimeout(aheadMs + Math.random() * killWithinMs);
    if (children[0] !== undefined) await kill(children[0]);
    const [, ...living] = await answers;
    const holders = living.filter((kind) => kind === 'held').length;
    const next = await takeLock(path);
    expect([holders, next.kind]).toEqual(holders === 0 ? [0, 'held'] : [1, 'taken']);
    if (next.kind === 'held') await next.lock[Symbol.asyncDispose]();
    await Promise.all(children.map(kill));
  }
});
