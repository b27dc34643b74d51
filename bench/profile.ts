/**
 * Where the time of a server goes: runs one under Node's own profiler and h2load, and prints its functions by the time
 * that was spent in each itself, callees left out.
 *
 *     node bench/profile.ts echo|echo-grpc-js|unwrap|unwrap-grpc-js|unwrap-access
 *         --seconds N     length of the load (default 5)
 *         --top N         lines (default 40)
 *         --keep FILE     keeps the profile, for the Performance panel of a browser
 *
 * The programs are run from source, so that the places are those of the files; what runs is the same as in the bundle.
 */
import { copyFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startGuarded } from './access.ts';
import type { Contest, ContestServer } from './contest.ts';
import { echoCall, fromSource } from './echo/servers.ts';
import { runH2load } from './h2load.ts';
import { grpcMessage } from './load/frames.ts';
import { firstAnswerOf } from './one-call.ts';
import { ownFolder } from './server-process.ts';
import { startUnwrap, type Transport, unwrapContest } from './unwrap.ts';

/** What is called and how its server starts, with Node's options in `env`. */
interface Subject {
  readonly call: Pick<Contest, 'path' | 'request'>;
  start(folder: string, env: NodeJS.ProcessEnv): Promise<ContestServer>;
}

const root = resolve(import.meta.dirname, '..');
const program = join(root, 'src/main.ts');

function echo(transport: Transport): () => Promise<Subject> {
  return async () => ({ call: echoCall(), start: (folder, env) => fromSource(transport, env)(folder) });
}

function unwrap(transport: Transport): (world: string) => Promise<Subject> {
  return async (world) => ({
    call: await unwrapContest(world, 'DEK_SOURCE_DERIVED'),
    start: (folder, env) => startUnwrap({ world, folder, transport, program, env, isUnhardened: true }),
  });
}

const subjects: Readonly<Record<string, (world: string) => Promise<Subject>>> = {
  echo: echo('native'),
  'echo-grpc-js': echo('grpc-js'),
  unwrap: unwrap('native'),
  'unwrap-grpc-js': unwrap('grpc-js'),
  'unwrap-access': async (world) => ({
    call: await unwrapContest(world, 'DEK_SOURCE_DERIVED'),
    start: (folder, env) => startGuarded({ world, folder, program, env, isUnhardened: true }),
  }),
};

/** The parts of a .cpuprofile that are read (Chrome DevTools Protocol, Profiler.Profile). */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly startTime: number;
  readonly samples: readonly number[];
  /** Microseconds since the sample before; all times count from where the system's clock does that never jumps. */
  readonly timeDeltas: readonly number[];
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '5' },
    top: { type: 'string', default: '40' },
    keep: { type: 'string' },
  },
});
const prepare = subjects[positionals[0] ?? ''];
if (prepare === undefined) throw new RangeError(`which one? ${Object.keys(subjects).join(', ')}`);

await using world = await ownFolder();
const recording = await record(await prepare(world.path), { folder: world.path, seconds: Number(values.seconds) });
if (values.keep !== undefined) await copyFile(recording.file, values.keep);
console.log(await table(recording, Number(values.top)));

/** A profile, and the part of it in which the server was hot and under load, in microseconds. */
interface Recording {
  readonly file: string;
  readonly begin: number;
  readonly end: number;
}

function microseconds(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** Runs a server under load until its end. */
async function record(subject: Subject, { folder, seconds }: { folder: string; seconds: number }): Promise<Recording> {
  const { call, start } = subject;
  await using own = await ownFolder();
  const profiles = join(folder, 'profiles');
  await using server = await start(own.path, { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profiles}` });
  const { socket, metadata = {} } = server;
  await firstAnswerOf({ ...call, socket, metadata }, () => server.process.exitCode !== null);
  const bodyFile = join(own.path, 'request');
  await writeFile(bodyFile, grpcMessage(call.request));
  const load = (calls: number) =>
    runH2load({ ...call, socket, metadata, bodyFile, folder: own.path, calls: Math.ceil(calls) });
  const first = await load(20_000);
  const begin = microseconds();
  const { succeeded, seconds: taken } = await load((seconds * first.succeeded) / first.seconds);
  const end = microseconds();
  console.log(`${Math.round(succeeded / taken)} calls/s under the profiler\n`);
  const ended = new Promise((done) => server.process.once('exit', done));
  server.process.kill('SIGTERM');
  await ended;
  const [name] = await readdir(profiles);
  if (name === undefined) throw new Error('the server left no profile');
  return { file: join(profiles, name), begin, end };
}

/** Functions by their own time, the longest first; idle time is left out. */
async function table({ file, begin, end }: Recording, top: number): Promise<string> {
  // Written by Node.
  const { nodes, startTime, samples, timeDeltas } = JSON.parse(await readFile(file, 'utf8')) as CpuProfile;
  const places = new Map(nodes.map(({ id, callFrame }) => [id, placeOf(callFrame)]));
  const own = new Map<string, number>();
  let now = startTime;
  for (const [index, id] of samples.entries()) {
    const [place, time] = [places.get(id) ?? '', timeDeltas[index] ?? 0];
    now += time;
    if (now >= begin && now <= end) own.set(place, (own.get(place) ?? 0) + time);
  }
  own.delete('(idle)');
  const total = [...own.values()].reduce((sum, time) => sum + time, 0);
  return [...own]
    .sort(([, a], [, b]) => b - a)
    .slice(0, top)
    .map(([place, time]) => `${((100 * time) / total).toFixed(1).padStart(5)} %  ${place}`)
    .join('\n');
}

function placeOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): string {
  const name = functionName || '(anonymous)';
  if (url === '') return name;
  const path = url.startsWith('file:') ? relative(root, new URL(url).pathname) : url;
  return `${name}  ${path}:${lineNumber + 1}`;
}
