/**
 * Data keys in heavy use, a customer's no, and then a look at all of the daemon's memory: what of the keys is still there,
 * in which form. Callers and key service are processes of their own, so what is found is the daemon's.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startAwsSimulator } from '../simulators/aws/server.ts';
import { awsFolder, startAwsDaemon } from './aws-tenant.ts';
import { rawAnswer, rawEnd, rawFailure } from './client-raw-calls.ts';
import type { DaemonFolder } from './daemon-folder.ts';
import { copiesIn, type Form } from './process-memory.ts';
import { connectRaw, type RawConnection } from './raw-http2.ts';

/** Where a data key comes from: the key service has seen it, or only the root that it is derived from. */
export const sources = ['kms', 'derived'] as const;
export type Source = (typeof sources)[number];

export interface WipingOptions {
  readonly transport: 'native' | 'grpc-js';
  /** Unwraps of the first data key of each source. */
  readonly calls: number;
  /** Data keys of each source that come after it, each with a context of its own, and the Unwraps of each. */
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

interface Made {
  readonly source: Source;
  readonly encryption_context: { readonly purpose: string };
  readonly plaintext: Buffer;
  readonly wrapped_dek: Buffer;
}

/** Connections, and calls under way on each. */
const [connections, width] = [4, 16];
const tenant_id = 'acme';
const settings = `
  cache_config: { ttl_seconds: 604800 }
  canary: { interval_seconds: 10 }
  limits: { kms_calls_per_second: 1000 }`;

/** Plays the scene. Throws where a call does not end as it must. */
export async function wipingScene(options: WipingOptions): Promise<Wiping> {
  await using stack = new AsyncDisposableStack();
  const aws = stack.use(await startAwsSimulator());
  const key = aws.createKey();
  const folder = stack.use(await awsFolder(aws, [{ id: tenant_id, keyArn: key.arn, more: settings }]));
  if (options.transport === 'grpc-js') await serveByGrpcJs(folder);
  const daemon = stack.use(await startAwsDaemon(aws, folder, { KEYPROXY_LOG_LEVEL: 'fatal' }));
  const { pid } = daemon.process;
  if (pid === undefined) throw new Error('the daemon has no process');
  const place = { socket: daemon.socket.replace(/^unix:/, '') };
  const raws = Array.from({ length: connections }, () => stack.use(connectRaw(place, 'localhost')));

  const made = await makeAndUse(raws, options);
  const before = foundIn(pid, made);
  key.disable();
  await (options.hears === 'by itself' ? untilRefused(raws, made) : refusedAtOnce(raws, made));
  await sleep(options.pauseMs);
  const answers = aws.count('GenerateDataKey', { outcome: 'ok' }) + aws.count('Decrypt', { outcome: 'ok' });
  return { keys: 1 + options.more, answers, before, after: foundIn(pid, made) };
}

async function serveByGrpcJs(folder: DaemonFolder): Promise<void> {
  const file = await readFile(join(folder.path, 'keyproxy.yaml'), 'utf8');
  await folder.write('keyproxy.yaml', file.replace('mode: "0600"', 'mode: "0600", transport: grpc-js'));
}

/** The heavy use comes first: a key that was made at the end of it has no long traffic that would hide its traces. */
async function makeAndUse(raws: readonly RawConnection[], options: WipingOptions): Promise<Made[]> {
  const made: Made[] = [];
  for (let index = 0; index <= options.more; index++) {
    for (const source of sources) {
      const encryption_context = { purpose: `purpose-${index}` };
      const request = { tenant_id, encryption_context, source: `DEK_SOURCE_${source.toUpperCase()}` };
      const answer = await rawAnswer<Made>(firstOf(raws), 'GenerateDEK', request);
      const one: Made = { ...answer, source, encryption_context };
      made.push(one);
      await unwrapOften(raws, one, index === 0 ? options.calls : options.callsOfMore);
    }
  }
  return made;
}

async function unwrapOften(raws: readonly RawConnection[], made: Made, calls: number): Promise<void> {
  let begun = 0;
  const worker = async (raw: RawConnection) => {
    while (begun++ < calls) {
      const { plaintext } = await rawAnswer<Made>(raw, 'Unwrap', requestFor(made));
      if (!plaintext.equals(made.plaintext)) throw new Error('another key came back');
    }
  };
  await Promise.all(raws.flatMap((raw) => Array.from({ length: width }, () => worker(raw))));
}

function requestFor({ wrapped_dek, encryption_context }: Made) {
  return { tenant_id, wrapped_dek, encryption_context };
}

async function refusedAtOnce(raws: readonly RawConnection[], made: readonly Made[]): Promise<void> {
  await rawFailure(firstOf(raws), 'GenerateDEK', { tenant_id, source: 'DEK_SOURCE_KMS' });
  await rawFailure(firstOf(raws), 'Unwrap', requestFor(firstOf(made)));
}

async function untilRefused(raws: readonly RawConnection[], made: readonly Made[]): Promise<void> {
  for (;;) {
    const end = await rawEnd(firstOf(raws), 'Unwrap', requestFor(firstOf(made)));
    if (end.code !== 0) return;
    await sleep(100);
  }
}

function foundIn(pid: number, made: readonly Made[]): Record<Source, Found> {
  const copies = copiesIn(
    pid,
    made.map(({ plaintext }) => plaintext),
  );
  const of = (source: Source): Found => {
    const all = copies.filter((_, index) => made[index]?.source === source);
    const having = (form: Form) => all.flat().filter((copy) => copy.form === form);
    return {
      copies: { raw: having('raw').length, base64: having('base64').length, hex: having('hex').length },
      keys: all.filter((each) => each.some(({ form }) => form === 'raw')).length,
      mappings: [...new Set(having('raw').map(({ mapping }) => mapping))],
    };
  };
  return { kms: of('kms'), derived: of('derived') };
}

function firstOf<T>(values: readonly T[]): T {
  const [first] = values;
  if (first === undefined) throw new RangeError('there is nothing to take');
  return first;
}
