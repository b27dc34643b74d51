/** One call from its start to its end, on any transport: counts both, and turns a failure into a status. */
import type { Clock } from '../base/clock.ts';
import { KeyproxyError, type Reason } from '../base/errors.ts';
import type { CallObserver, Method } from './method.ts';
import { type WireStatus, wireStatus } from './status.ts';

export interface CourseOptions {
  readonly observer: CallObserver;
  readonly clock: Clock;
}

export class Course {
  readonly #method: Method;
  readonly #options: CourseOptions;
  readonly #start: number;
  #isOver = false;

  constructor(method: Method, options: CourseOptions) {
    this.#method = method;
    this.#options = options;
    this.#start = options.clock.monotonic();
    options.observer.started(method);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  succeed(): void {
    this.#end('OK');
  }

  /** The end of the call that failed with `thrown`. */
  fail(thrown: unknown): WireStatus {
    const error = KeyproxyError.from(thrown);
    const status = wireStatus(error);
    this.#end(status.codeName, error.reason);
    if (error.reason === 'INTERNAL') this.#options.observer.failed(this.#method, error);
    return status;
  }

  #end(code: string, reason?: Reason): void {
    this.#isOver = true;
    const { observer, clock } = this.#options;
    observer.handled(this.#method, code, (clock.monotonic() - this.#start) / 1000, reason);
  }
}
