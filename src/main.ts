#!/usr/bin/env node
/** The process: gives the command line to `run` and takes its exit code. */
import { join } from 'node:path';
import { useCompiled } from './cli/compiled.ts';
import { exitCodes } from './cli/exit.ts';
import type { HardenedTerminal } from './cli/hardened.ts';
import { run } from './cli/run.ts';

// Whoever read what is said may be gone: that is no reason to stop serving.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

// Node would print all properties of what was thrown, and what a promise was rejected with: they may hold anything.
process.on('uncaughtException', (error, origin) => {
  const isOwn = error instanceof Error && !('code' in error && error.code === 'ERR_UNHANDLED_REJECTION');
  process.stderr.write(
    `keyproxy: failed inside, ${origin}: ${isOwn ? error.stack : 'no error was thrown, but a value'}\n`,
  );
  process.exit(exitCodes.internal);
});

// Commands are loaded from here on.
const compiled = useCompiled(join(import.meta.dirname, 'compiled'));

const terminal: HardenedTerminal = {
  process,
  compiled,
  env: process.env,
  cwd: process.cwd(),
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  untilSignal: () =>
    new Promise((done) => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => done(signal));
    }),
};

process.exitCode = await run(process.argv.slice(2), terminal);
