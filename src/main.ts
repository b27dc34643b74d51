#!/usr/bin/env node
/** The process: gives the command line to `run` and takes its exit code. */
import { run } from './cli/run.ts';

// Whoever read what is said may be gone: that is no reason to stop serving.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

process.exitCode = await run(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  untilSignal: () =>
    new Promise((done) => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => done(signal));
    }),
});
