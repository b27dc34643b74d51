/** `grpc.health.v1.Health` (https://github.com/grpc/grpc/blob/master/doc/health-checking.md). */
import { KeyproxyError } from '../base/errors.ts';
import type { Method } from './method.ts';
import { number, string } from './protobuf/fields.ts';
import { Message } from './protobuf/message.ts';

const request = new Message({ service: string(1) });
const response = new Message({ status: number(1) });
const statuses = { serving: 1, notServing: 2, serviceUnknown: 3 } as const;

/** Watches at a time: nobody who watches has to say who he is. */
const mostWatchers = 1_000;

/** What the health service and the readiness probe tell: whether calls are welcome. */
export class Health {
  readonly #services: ReadonlySet<string>;
  readonly #watchers = new Set<() => void>();
  #serving = false;
  #watching = 0;

  /** `services`: the names that may be asked for, beside the empty one. */
  constructor(services: readonly string[]) {
    this.#services = new Set(['', ...services]);
  }

  get serving(): boolean {
    return this.#serving;
  }

  set serving(value: boolean) {
    if (this.#serving === value) return;
    this.#serving = value;
    for (const tell of [...this.#watchers]) tell();
  }

  knows(service: string): boolean {
    return this.#services.has(service);
  }

  /** Somebody watches until it is disposed of. Throws `CALLER_OVER_LIMIT` where too many do. */
  watch(): Disposable {
    if (this.#watching >= mostWatchers) {
      throw new KeyproxyError('CALLER_OVER_LIMIT', { detail: `${mostWatchers} watch the health already` });
    }
    this.#watching += 1;
    return {
      [Symbol.dispose]: () => {
        this.#watching -= 1;
      },
    };
  }

  /** Resolves at the next change, or when `signal` is aborted. */
  change(signal: AbortSignal): Promise<void> {
    return new Promise((done) => {
      const end = () => {
        this.#watchers.delete(end);
        signal.removeEventListener('abort', end);
        done();
      };
      this.#watchers.add(end);
      signal.addEventListener('abort', end, { once: true });
    });
  }
}

/** The methods of the service. Probes may call them without the metadata that other calls need. */
export function healthMethods(health: Health): Method[] {
  const named = { service: 'grpc.health.v1.Health', exempt: true };
  const status = () => (health.serving ? statuses.serving : statuses.notServing);
  return [
    {
      ...named,
      kind: 'unary',
      name: 'Check',
      async handle(_caller, bytes) {
        const { service } = request.decode(bytes);
        if (!health.knows(service)) throw new KeyproxyError('SERVICE_UNKNOWN');
        return response.reply({ status: status() });
      },
    },
    {
      ...named,
      kind: 'server_stream',
      name: 'Watch',
      async *handle(_caller, bytes, signal) {
        const { service } = request.decode(bytes);
        using _watch = health.watch();
        while (!signal.aborted) {
          yield response.reply({ status: health.knows(service) ? status() : statuses.serviceUnknown });
          await health.change(signal);
        }
      },
    },
  ];
}
