/** What is fuzzed. */
import type { Dice } from './dice.ts';

/** A promise that the code under test broke. */
export class Fault extends Error {
  constructor(what: string, options?: ErrorOptions) {
    super(what, options);
    this.name = 'Fault';
  }
}

export interface Target {
  readonly name: string;
  /** Longest input, in bytes. */
  readonly maxSize: number;
  /** What fuzzing begins with. */
  readonly seeds: readonly Buffer[];
  /** Runs the code under test once. Throws a Fault, or whatever the code threw and should not have. */
  run(input: Buffer): void | Promise<void>;
  /** A new input from one that is known, and from another to take pieces from. Changes neither. */
  mutate(input: Buffer, dice: Dice, other: Buffer): Buffer;
}
