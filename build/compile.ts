/**
 * `node build/compile.ts PROGRAM FOLDER`: compiles the built program in PROGRAM ahead of its start and keeps that in
 * FOLDER, for src/cli/compiled.ts. Node finds it again only for the same files at the same place, with the same version
 * of Node, on the same kind of processor, as the same user: run it with the image's own Node, as the image's user.
 */
import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

/** The line of the log at which a daemon has loaded what every daemon needs. */
const served = '"msg":"keyproxy is serving"';

/** Writes into `folder`, which must be there. Rejects where the program does not start. */
async function compile(program: string, folder: string): Promise<void> {
  await serveOnce(program, folder);
  // Providers and other commands: whatever else the program may load. What the daemon has compiled stays as it is.
  await node(['--input-type=module', '--eval', await importsOf(program)], folder);
  await makeReadable(folder);
}

/** Functions that a start runs are compiled by running them; a daemon without tenants runs most of them. */
async function serveOnce(program: string, folder: string): Promise<void> {
  const own = await mkdtemp(join(tmpdir(), 'keyproxy-compile-'));
  try {
    const config = join(own, 'keyproxy.conf');
    const socket = join(own, 'keyproxy.sock');
    await writeFile(
      config,
      `listen: [{ unix: ${socket} }]\nhttp: { address: "127.0.0.1:0" }\ntenants: { directory: ${own} }\n`,
    );
    // A hardened process cannot write to the folder.
    await node([join(program, 'keyproxy.js'), 'serve', '--no-hardening', '--config', config], folder);
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}

async function importsOf(program: string): Promise<string> {
  const names = (await readdir(join(program, 'chunks'))).filter((name) => name.endsWith('.js'));
  return names
    .map((name) => `await import(${JSON.stringify(pathToFileURL(join(program, 'chunks', name)).href)});`)
    .join('');
}

/** Runs Node until it ends, or until it serves and a signal has ended it: Node keeps what it compiled at its end. */
async function node(args: readonly string[], folder: string): Promise<void> {
  const env = { NODE_COMPILE_CACHE: folder };
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  createInterface(child.stdout).on('line', (line) => {
    if (line.includes(served)) child.kill('SIGTERM');
  });
  const code = await new Promise((done, fail) => child.once('error', fail).once('exit', done));
  if (code !== 0) throw new Error(`the program to be compiled ended with exit code ${code}`);
}

/** Node makes files that nobody but their user can read; in the image they are root's. */
async function makeReadable(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    await chmod(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
  }
}

const [program, folder] = process.argv.slice(2);
if (program === undefined || folder === undefined) throw new Error('usage: node build/compile.ts PROGRAM FOLDER');
await compile(resolve(program), resolve(folder));
