/** The ways to tell who calls, opened once for all listeners, and only those that some listener uses. */
import type { Clock } from '../base/clock.ts';
import { KeyproxyError } from '../base/errors.ts';
import type { DaemonConfig } from '../config/daemon-file.ts';
import type { IdentityMode } from '../config/listener.ts';
import { type Identify, identifyByToken } from '../identity/identify.ts';
import type { MutualTls } from '../identity/mutual-tls.ts';
import type { TokenCallers } from '../identity/token-callers.ts';
import type { ListenerOptions } from '../rpc/listener.ts';
import type { IdentityEvents } from '../telemetry/identity-events.ts';
import { StartupError } from './startup-error.ts';

export interface IdentitiesOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly events: IdentityEvents;
}

/** What a listener needs of them. */
type OfListener = Pick<ListenerOptions, 'identify' | 'tls'>;

export class Identities implements Disposable {
  readonly #tokens: TokenCallers | undefined;
  readonly #tls: MutualTls | undefined;
  readonly #events: IdentityEvents;

  private constructor(parts: { tokens: TokenCallers | undefined; tls: MutualTls | undefined; events: IdentityEvents }) {
    this.#tokens = parts.tokens;
    this.#tls = parts.tls;
    this.#events = parts.events;
  }

  /** Opens what the listeners use. Throws a StartupError where certificates cannot be used. */
  static async open({ listen, identity }: DaemonConfig, options: IdentitiesOptions): Promise<Identities> {
    const { clock, random, events } = options;
    const modes = new Set(listen.flatMap((entry) => entry.identity));
    let tokens: TokenCallers | undefined;
    let tls: MutualTls | undefined;
    if (modes.has('token') && identity.token !== undefined) {
      const { openTokenCallers } = await import('../identity/token-callers.ts');
      tokens = await openTokenCallers({ ...identity.token, clock, random, onKeys: events.issuerKeys });
    }
    if (modes.has('mtls') && identity.mtls !== undefined) {
      const { openMutualTls } = await import('../identity/mutual-tls.ts');
      const { certificates: onReload, connectionRefused: onRefused } = events;
      tls = await openMutualTls({ ...identity.mtls, clock, onReload, onRefused }).catch((error) => {
        const why = error instanceof Error ? error.message : 'the files cannot be used';
        throw new StartupError(`identity.mtls: ${why}`, error);
      });
    }
    return new Identities({ tokens, tls, events });
  }

  /** How a listener of these modes tells who calls. */
  of(modes: readonly IdentityMode[]): OfListener {
    return {
      ...(modes.includes('token') && { identify: this.#identify(modes) }),
      ...(modes.includes('mtls') && { tls: this.#tls }),
    };
  }

  #identify(modes: readonly IdentityMode[]): Identify {
    const tokens = this.#tokens;
    if (tokens === undefined) throw new Error('tokens are not open');
    const judge = identifyByToken(tokens, { isNeeded: modes.length === 1 });
    const told = (error: unknown): never => {
      const { reason } = KeyproxyError.from(error);
      this.#events.callRefused(reason);
      throw error;
    };
    return (connection, fields) => {
      try {
        const caller = judge(connection, fields);
        return caller instanceof Promise ? caller.catch(told) : caller;
      } catch (error) {
        return told(error);
      }
    };
  }

  [Symbol.dispose](): void {
    this.#tokens?.[Symbol.dispose]();
    this.#tls?.[Symbol.dispose]();
  }
}
