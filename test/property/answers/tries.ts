/** Calls whose answers are garbage, and what must hold of how they end. */
import { KmsError } from '../../../src/kms/fault.ts';
import type { KeyService } from '../../../src/kms/key-service.ts';
import { operations, run, warmed } from '../../contract/calls.ts';
import type { Dice } from '../../fuzz/engine/dice.ts';

/** How calls ended, by the kind of their fault; `answered` where they did not fail. */
export type Endings = Record<string, number>;

export interface Garbling {
  readonly service: KeyService;
  /** Turns garbage on or off. */
  readonly garbage: (isOn: boolean) => void;
}

/** The longest that a call may take, in milliseconds: its own limit, and as much again for a busy machine. */
const longestMs = 8_000;

/** Makes `count` calls through garbage. Throws where one of them ends otherwise than it may. */
export async function tries({ service, garbage }: Garbling, count: number, dice: Dice): Promise<Endings> {
  const endings: Endings = {};
  const entry = await warmed(service);
  garbage(true);
  for (let left = count; left > 0; left--) {
    const operation = operations[dice.below(operations.length)] ?? 'unwrap';
    const start = performance.now();
    const ending = await run(operation, service, { entry, signal: AbortSignal.timeout(longestMs) }).then(
      () => 'answered',
      (error: unknown) => endingOf(error),
    );
    if (performance.now() - start > longestMs) throw new Error(`a call of ${operation} took too long`);
    endings[ending] = (endings[ending] ?? 0) + 1;
  }
  garbage(false);
  // Whatever was heard, honest answers are taken again; the first may still join a question from before.
  for (let left = 10; ; left--) {
    const ending = await run('unwrap', service, { entry, signal: AbortSignal.timeout(longestMs) }).catch(endingOf);
    if (ending === undefined) return endings;
    await new Promise((done) => setTimeout(done, 300));
    if (left === 0) throw new Error(`honest answers are not taken after garbage: ${ending}`);
  }
}

function endingOf(error: unknown): string {
  if (!(error instanceof KmsError)) throw error;
  const { fault, details, message } = error;
  if (fault.kind === 'refusal') {
    throw new Error(`garbage is taken for a no: ${fault.reason}, ${details.providerCode}`, { cause: error });
  }
  const told = [message, details.providerCode, details.requestId, details.advice, details.operation].join('\n');
  if (/[^ -~\n]|G4rb4ge/.test(told))
    throw new Error(`an error repeats garbage: ${JSON.stringify(told)}`, { cause: error });
  return fault.kind === 'data' ? 'data' : `${fault.kind} ${'reason' in fault ? fault.reason : ''}`;
}
