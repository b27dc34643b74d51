/** Runs one of the programs of `modules/grpcjava`. */
import { join } from 'node:path';
import { type Ended, run } from '../run.ts';

/** Flags of a virtual machine that lives for seconds, and prints UTF-8. */
const flags = [
  '-XX:TieredStopAtLevel=1',
  '-XX:+UseSerialGC',
  '-Dfile.encoding=UTF-8',
  '-Dstdout.encoding=UTF-8',
  '-Dsun.stdout.encoding=UTF-8',
];

/** Runs `program` of the installation in `folder`. */
export function java(folder: string, program: string, args: readonly string[]): Promise<Ended> {
  const path = [join(folder, 'classes'), join(folder, 'lib/*')].join(':');
  return run('java', [...flags, '-cp', path, program, ...args], { timeoutMs: 90_000 });
}
