/**
 * Data keys in heavy use, a customer's no, and then a look at all of the daemon's memory: what of the keys is still there,
 * in which form. Callers and key service are processes of their own, so what is found is the daemon's.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseHeader } from '../../src/envelope/header.ts';
import { rawAnswer, rawFailure } from './client-raw-calls.ts';
import { type Copy, copiesIn, type Form } from './process-memory.ts';
import { connectRaw, type RawConnection } from './raw-http2.ts';
import { tenant_id, type WipingProvider, type WipingWorld, wipingWorld } from './wiping-world.ts';

/**
 * Where a data key comes from, and where it goes. `kms`: the key service made it, a caller has it. `derived`: made from a
 * root, a caller has it. `inside`: that root, with which messages are encrypted as well, and which nobody else has.
 */
export const sources = ['kms', 'derived', 'inside'] as const;
export type Source = (typeof sources)[number];

export interface WipingOptions {
  readonly provider: WipingProvider;
  readonly transport: 'native' | 'grpc-js';
  /** Calls with the first data key of each source: Unwraps, or Encrypts and Decrypts in turn. */
  readonly calls: number;
  /** Data keys of each source that come after it, each with a context of its own, and the calls with each. */
  readonly more: number;
  readonly callsOfMore: number;
  /** How the daemon hears of the no: from its next call to the key service, or from a canary of its own. */
  readonly hears: 'at the next call' | 'by itself';
  /** From the first refusal to the look. */
  readonly pauseMs: number;
}

/** Copies in the daemon's memory, of all data keys of one source. */
export interface Found {
  readonly copies: Readonly<Record<Form, number>>;
  /** Of how many data keys there is a raw copy, or a part of one. */
  readonly keys: number;
  /** The names of the mappings where raw copies are: no name is V8's heap and what threads allocate. */
  readonly mappings: readonly string[];
  /** All copies, as they lie there. */
  readonly all: readonly Copy[];
}

export interface Wiping {
  /** Number of data keys of each source. */
  readonly keys: number;
  /** Answers of the key service that held a key in base64: these, the roots of the derived ones, and canaries. */
  readonly answers: number;
  /** While they are cached. */
  readonly before: Readonly<Record<Source, Found>>;
  /** After the no. */
  readonly after: Readonly<Record<Source, Found>>;
}

/** A data key, and what is done with it. */
interface Made {
  readonly source: Source;
  readonly secret: Buffer;
  use(raw: RawConnection): Promise<void>;
}

interface Dek {
  readonly plaintext: Buffer;
  readonly wrapped_dek: Buffer;
}

/** Connections, and calls under way on each. */
const [connections, width] = [4, 16];

/** Plays the scene. Throws where a call does not end as it must. */
export async function wipingScene(options: WipingOptions): Promise<Wiping> {
  await using stack = new AsyncDisposableStack();
  const world = stack.use(await wipingWorld(options.provider, options.transport));
  const { pid } = world.daemon.process;
  if (pid === undefined) throw new Error('the daemon has no process');
  const place = { socket: world.daemon.socket.replace(/^unix:/, '') };
  const raws = Array.from({ length: connections }, () => stack.use(connectRaw(place, 'localhost')));

  const made = await makeAndUse(raws, world, options);
  const before = foundIn(pid, made);
  await world.refuse();
  await (options.hears === 'by itself' ? untilRefused(raws, made) : refusedAtOnce(raws, made));
  await sleep(options.pauseMs);
  return { keys: 1 + options.more, answers: world.answers(), before, after: foundIn(pid, made) };
}

/** The heavy use comes first: a key that was made at the end of it has no long traffic that would hide its traces. */
async function makeAndUse(raws: readonly RawConnection[], world: WipingWorld, options: WipingOptions): Promise<Made[]> {
  const made: Made[] = [];
  const raw = firstOf(raws);
  for (let index = 0; index <= options.more; index++) {
    const encryption_context = { purpose: `purpose-${index}` };
    const makers = {
      kms: () => makeDek(raw, 'kms', encryption_context),
      derived: () => makeDek(raw, 'derived', encryption_context),
      inside: () => makeRoot(raw, world, encryption_context),
    };
    for (const source of sources) {
      const one = await makers[source]();
      made.push(one);
      await useOften(raws, one, index === 0 ? options.calls : options.callsOfMore);
    }
  }
  return made;
}

async function makeDek(raw: RawConnection, source: 'kms' | 'derived', encryption_context: object): Promise<Made> {
  const request = { tenant_id, encryption_context };
  const wanted = { ...request, source: `DEK_SOURCE_${source.toUpperCase()}` };
  const { plaintext: secret, wrapped_dek } = await rawAnswer<Dek>(raw, 'GenerateDEK', wanted);
  return {
    ...{ source, secret },
    async use(other) {
      const { plaintext } = await rawAnswer<Dek>(other, 'Unwrap', { ...request, wrapped_dek });
      if (!plaintext.equals(secret)) throw new Error('another key came back');
    },
  };
}

async function makeRoot(raw: RawConnection, world: WipingWorld, encryption_context: object): Promise<Made> {
  const request = { tenant_id, encryption_context };
  const plaintext = Buffer.from('a record of the application');
  const encrypt = async (other: RawConnection) =>
    (await rawAnswer<{ ciphertext: Buffer }>(other, 'Encrypt', { ...request, plaintext })).ciphertext;
  const ciphertext = await encrypt(raw);
  const { entries, context } = parseHeader(ciphertext, { maxEncryptedDataKeys: 1 });
  let calls = 0;
  return {
    source: 'inside',
    secret: await world.open(firstOf(entries), context),
    async use(other) {
      if (calls++ % 2 === 0) return void (await encrypt(other));
      const opened = await rawAnswer<{ plaintext: Buffer }>(other, 'Decrypt', { ...request, ciphertext });
      if (!opened.plaintext.equals(plaintext)) throw new Error('another record came back');
    },
  };
}

async function useOften(raws: readonly RawConnection[], made: Made, calls: number): Promise<void> {
  let begun = 0;
  const worker = async (raw: RawConnection) => {
    while (begun++ < calls) await made.use(raw);
  };
  await Promise.all(raws.flatMap((raw) => Array.from({ length: width }, () => worker(raw))));
}

async function refusedAtOnce(raws: readonly RawConnection[], made: readonly Made[]): Promise<void> {
  await rawFailure(firstOf(raws), 'GenerateDEK', { tenant_id, source: 'DEK_SOURCE_KMS' });
  await firstOf(made)
    .use(firstOf(raws))
    .then(
      () => {
        throw new Error('a key was used after the no');
      },
      () => {},
    );
}

async function untilRefused(raws: readonly RawConnection[], made: readonly Made[]): Promise<void> {
  for (;;) {
    const isServed = await firstOf(made)
      .use(firstOf(raws))
      .then(
        () => true,
        () => false,
      );
    if (!isServed) return;
    await sleep(100);
  }
}

function foundIn(pid: number, made: readonly Made[]): Record<Source, Found> {
  const copies = copiesIn(
    pid,
    made.map(({ secret }) => secret),
  );
  const of = (source: Source): Found => {
    const all = copies.filter((_, index) => made[index]?.source === source);
    const having = (form: Form) => all.flat().filter((copy) => copy.form === form);
    return {
      copies: { raw: having('raw').length, base64: having('base64').length, hex: having('hex').length },
      keys: all.filter((each) => each.some(({ form }) => form === 'raw')).length,
      mappings: [...new Set(having('raw').map(({ mapping }) => mapping))],
      all: all.flat(),
    };
  };
  return { kms: of('kms'), derived: of('derived'), inside: of('inside') };
}

function firstOf<T>(values: readonly T[]): T {
  const [first] = values;
  if (first === undefined) throw new RangeError('there is nothing to take');
  return first;
}
