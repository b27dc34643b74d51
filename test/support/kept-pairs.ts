/**
 * RSA key pairs that take long to make, made once for a whole run: whoever makes one leaves it in a folder of the run's,
 * where the other workers find it. The folder goes with the run, and what is in it opens nothing else.
 */
import { createPrivateKey, createPublicKey, generateKeyPair, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** Names the folder to the workers. */
const variable = 'KEYPROXY_TEST_PAIRS';

/** How long somebody else may take, who may have been stopped: half a minute. */
const [betweenMs, mostTries] = [20, 1500];

const generate = promisify(generateKeyPair);
const made = new Map<string, Promise<KeyPair>>();
const madeAtOnce = new Map<string, KeyPair>();

/** Called by vitest before the first file of a project; what it returns is called after the last one. */
export async function setup(): Promise<() => Promise<void>> {
  // Another project of the run has made it.
  if (process.env[variable] !== undefined) return async () => {};
  const folder = await mkdtemp(join(tmpdir(), 'keyproxy-test-pairs-'));
  process.env[variable] = folder;
  return () => rm(folder, { recursive: true, force: true });
}

/** The pair of this name: the same name is the same pair, whoever asks. */
export function rsaPair(modulusLength: number, called: string): Promise<KeyPair> {
  const name = `${modulusLength}-${called}`;
  const pair = made.get(name) ?? makePair(name, modulusLength);
  made.set(name, pair);
  return pair;
}

/** The same for who cannot wait. Its names are its own. */
export function rsaPairAtOnce(modulusLength: number, called: string): KeyPair {
  const name = `${modulusLength}-${called}-at-once`;
  const pair = madeAtOnce.get(name) ?? found(name) ?? kept(name, generateKeyPairSync('rsa', { modulusLength }));
  madeAtOnce.set(name, pair);
  return pair;
}

/** Makes it, or waits for the worker that does. */
async function makePair(name: string, modulusLength: number): Promise<KeyPair> {
  const isMine = isFirst(name);
  for (let tries = 0; !isMine && tries < mostTries; tries++) {
    const pair = found(name);
    if (pair !== undefined) return pair;
    await sleep(betweenMs);
  }
  return kept(name, await generate('rsa', { modulusLength }));
}

/** Whether nobody else is at it. */
function isFirst(name: string): boolean {
  const folder = process.env[variable];
  if (folder === undefined) return true;
  try {
    writeFileSync(join(folder, `${name}.begun`), '', { flag: 'wx' });
    return true;
  } catch {
    return false;
  }
}

function found(name: string): KeyPair | undefined {
  const folder = process.env[variable];
  if (folder === undefined) return undefined;
  try {
    const privateKey = createPrivateKey(readFileSync(join(folder, name)));
    return { privateKey, publicKey: createPublicKey(privateKey) };
  } catch {
    return undefined;
  }
}

function kept(name: string, pair: KeyPair): KeyPair {
  const folder = process.env[variable];
  if (folder === undefined) return pair;
  const file = join(folder, name);
  try {
    writeFileSync(`${file}.${process.pid}`, pair.privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
    renameSync(`${file}.${process.pid}`, file);
  } catch {
    // The run is over: nobody needs it any more.
  }
  return pair;
}
