/** Catches what a call throws and insists that it is one of keyproxy's own failures. */
import { KeyproxyError } from '../../src/base/errors.ts';

/** The failure that `run` ends with; throws where it succeeds, or ends with anything else. */
export function failureOf(run: () => unknown): KeyproxyError {
  try {
    run();
  } catch (error) {
    if (error instanceof KeyproxyError) return error;
    throw error;
  }
  throw new Error('the call succeeded, a failure was due');
}
