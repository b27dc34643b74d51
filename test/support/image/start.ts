/** Starts the built image as an engine would: its own command line, its user, a root that cannot be written. */
import { once } from 'node:events';
import { chmod, chown, cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../daemon.ts';
import type { BuiltImage } from './build.ts';
import { stageOf, stepsOf } from './dockerfile.ts';
import { type Inside, runInside, startInside } from './root.ts';

export interface ImageOptions {
  /** A folder that is seen as /etc/keyproxy, only to be read. */
  readonly config: string;
  /** Arguments in place of the image's own CMD. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Whether the code that was compiled ahead is hidden. */
  readonly isBare?: boolean;
}

export interface RunningImage extends AsyncDisposable {
  readonly pid: number;
  /** From the start of the process until `/readyz` said yes, in milliseconds. */
  readonly readyMs: number;
  /** What a client of this machine connects to. */
  readonly socket: string;
  /** Standard output and standard error so far. */
  said(): string;
  /** Runs the image's health check beside it, as an engine does. */
  health(): Promise<{ code: number | null; stdout: string; stderr: string }>;
  /** Sends the image's STOPSIGNAL; resolves with the exit code. */
  stop(): Promise<number | null>;
}

const readyWithinMs = 30_000;

/** Starts it, and resolves once it is ready. Rejects where it ends before, with what it said. */
export async function startImage(image: BuiltImage, options: ImageOptions): Promise<RunningImage> {
  const stage = stageOf(image.model, '');
  const [entrypoint, command, check, signal] = ['ENTRYPOINT', 'CMD', 'HEALTHCHECK', 'STOPSIGNAL'].map(
    (keyword) => stepsOf(stage, keyword)[0],
  );
  const folder = await mkdtemp(join(tmpdir(), 'keyproxy-run-'));
  await prepare(folder, options.config);
  const port = await freePort();
  const inside = insideOf(image, { folder, port, options });
  const start = performance.now();
  const child = startInside(inside, [...(entrypoint?.exec ?? []), ...(options.args ?? command?.exec ?? [])]);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const stop = () => {
    child.kill(signal?.text as NodeJS.Signals);
    return ended;
  };
  const drop = async () => {
    await stop();
    await rm(folder, { recursive: true, force: true });
  };
  while (!(await isReady(port))) {
    if (child.exitCode !== null || performance.now() - start > readyWithinMs) {
      await drop();
      throw new Error(`the image did not become ready: ${said}`);
    }
    await sleep(2);
  }
  return {
    pid: child.pid ?? 0,
    readyMs: performance.now() - start,
    socket: `unix:${join(folder, 'run/keyproxy.sock')}`,
    said: () => said,
    health: () => runInside(inside, check?.exec ?? []),
    stop,
    [Symbol.asyncDispose]: drop,
  };
}

/** The health check with nobody to answer it. */
export async function healthAlone(image: BuiltImage): Promise<number | null> {
  const [check] = stepsOf(stageOf(image.model, ''), 'HEALTHCHECK');
  const env = { KEYPROXY_HTTP_ADDRESS: `:${await freePort()}` };
  const { root, mounts } = image;
  const { code } = await runInside({ root, mounts, readOnly: true, user: '65532:65532', env }, check?.exec ?? []);
  return code;
}

/** Volumes: configuration, and the socket's folder, which belongs to the image's user. */
async function prepare(folder: string, config: string): Promise<void> {
  await chmod(folder, 0o755);
  await cp(config, join(folder, 'etc'), { recursive: true });
  await chmod(join(folder, 'etc'), 0o755);
  await mkdir(join(folder, 'run'));
  await chown(join(folder, 'run'), 65_532, 65_532);
}

function insideOf(image: BuiltImage, run: { folder: string; port: number; options: ImageOptions }): Inside {
  const { folder, port, options } = run;
  const stage = stageOf(image.model, '');
  const env = stepsOf(stage, 'ENV').flatMap(({ text }) => text.split(' ').map((pair) => pair.split('=')));
  return {
    root: image.root,
    mounts: [
      ...image.mounts,
      { from: join(folder, 'etc'), at: '/etc/keyproxy', mode: 'ro' },
      { from: join(folder, 'run'), at: '/run/keyproxy', mode: 'rw' },
      ...(options.isBare ? [{ from: join(folder, 'run'), at: '/opt/keyproxy/compiled', mode: 'rw' } as const] : []),
    ],
    readOnly: true,
    user: stepsOf(stage, 'USER')[0]?.text ?? '0:0',
    env: { ...Object.fromEntries(env), KEYPROXY_HTTP_ADDRESS: `127.0.0.1:${port}`, ...options.env },
  };
}

async function isReady(port: number): Promise<boolean> {
  return await fetch(`http://127.0.0.1:${port}/readyz`).then(
    ({ status }) => status === 200,
    () => false,
  );
}
