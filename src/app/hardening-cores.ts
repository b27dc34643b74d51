/**
 * Whether a crash would write this process's memory, and the keys in it, to a core dump (core(5)). The limit on its size
 * holds for files. A program that the kernel pipes the dump to gets it whatever the limit is, unless that is one byte:
 * the kernel takes this for a crash of such a program itself and writes nothing (fs/coredump.c).
 */

/** What the system says of core dumps: the texts of `/proc/self/limits` and `/proc/sys/kernel/core_pattern`. */
export interface CoreSettings {
  readonly limits: string;
  readonly pattern: string;
}

export type CoreDumps =
  | { readonly kind: 'impossible' }
  /** Written to a file, and what stops that. */
  | { readonly kind: 'file'; readonly remedy: string }
  /** Handed to a program, and what stops that. */
  | { readonly kind: 'piped'; readonly remedy: string }
  /** The system does not say. */
  | { readonly kind: 'unknown'; readonly remedy: string };

const zeroLimit = 'LimitCORE=0 in a unit, `ulimit -c 0` in a shell, the ulimit core=0 of a container runtime';

/** What a crash would do. */
export function coreDumpsOf({ limits, pattern }: CoreSettings): CoreDumps {
  const soft = /^Max core file size +(\S+)/m.exec(limits)?.[1];
  if (soft === '1') return { kind: 'impossible' };
  if (pattern.startsWith('|')) {
    const remedy =
      'set the limit to one byte (LimitCORE=1 in a unit, `prlimit --core=1`), or a kernel.core_pattern that is no pipe and LimitCORE=0';
    return { kind: 'piped', remedy };
  }
  if (soft === undefined) return { kind: 'unknown', remedy: zeroLimit };
  return soft === '0' ? { kind: 'impossible' } : { kind: 'file', remedy: zeroLimit };
}
