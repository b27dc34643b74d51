/** Whether this cluster has native sidecars: Kubernetes has had them switched on since 1.29 (KEP-753). */
import { type Clock, pause } from '../../base/clock.ts';
import { textOfError } from '../../base/system-code.ts';
import type { InjectorConfig } from '../../config/injector-file.ts';
import type { Form } from '../../injector/settings.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ApiServer } from './api-server.ts';

const firstNative = { major: 1, minor: 29 };

/** Between two questions for the API server's version, in milliseconds: while it is unknown, and from then on. */
const [retryMs, lookMs] = [2000, 600_000];

export interface FollowFormOptions {
  readonly native: InjectorConfig['sidecar']['native'];
  /** Who knows it, where `native` is `auto`. */
  readonly api: Pick<ApiServer, 'call'> | undefined;
  readonly log: Log;
  readonly clock: Clock;
  /** Ends it. */
  readonly signal: AbortSignal;
  readonly onForm: (form: Form) => void;
}

/** Resolves once the form is known, and looks again from time to time: a cluster is upgraded under a running injector. */
export async function followForm({ native, api, log, clock, signal, onForm }: FollowFormOptions): Promise<void> {
  if (native !== 'auto' || api === undefined) {
    onForm(native === 'never' ? 'classic' : 'native');
    return;
  }
  const first = Promise.withResolvers<void>();
  void (async () => {
    let isKnown = false;
    // What was wrong at the last look, so that it is told once.
    let trouble: string | undefined;
    for (;;) {
      try {
        onForm(await formByVersion(api));
        isKnown = true;
        trouble = undefined;
        first.resolve();
      } catch (error) {
        const problem = textOfError(error);
        if (!signal.aborted && problem !== trouble) {
          log.error({ problem }, "the API server's version could not be asked for");
        }
        trouble = problem;
      }
      await pause(clock, isKnown ? lookMs : retryMs, signal);
    }
    // Rejects when the injector ends.
  })().catch(() => {});
  await first.promise;
}

/** Asks the API server for its version. Rejects where it does not tell. */
async function formByVersion(api: Pick<ApiServer, 'call'>): Promise<Form> {
  const { status, body } = await api.call({ method: 'GET', path: '/version' });
  const { major, minor } = (status === 200 ? body : {}) as { readonly major?: unknown; readonly minor?: unknown };
  // Some providers have a plus behind the number.
  const found = { major: Number.parseInt(String(major), 10), minor: Number.parseInt(String(minor), 10) };
  if (Number.isNaN(found.major) || Number.isNaN(found.minor)) {
    throw new Error(`GET /version: the API server answered ${status} and no version`);
  }
  const isNative =
    found.major > firstNative.major || (found.major === firstNative.major && found.minor >= firstNative.minor);
  return isNative ? 'native' : 'classic';
}
