/**
 * Callers by client certificate: does TLS on connections that somebody else accepted, and says whose they are. TLS 1.3
 * alone, which the gRPC of every language speaks; HTTP/2 by ALPN (RFC 9113, section 3.2), as gRPC has it. Nothing is
 * resumed: a resumed session shows no certificate, and would outlive the authority that vouched for it.
 */
import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import { createSecureContext, createServer, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls';
import type { Caller } from '../base/caller.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { type Admission, refused, SvidCallers } from './svid-callers.ts';
import { fingerprint, readTlsFiles, type TlsMaterial, type TlsPaths } from './tls-files.ts';
import { watchTlsFiles } from './tls-watch.ts';

/** Paths are absolute, files are PEM; `ca` may hold several roots. */
export interface MutualTlsOptions extends TlsPaths {
  readonly ca: string;
  /** The SPIFFE trust domain that callers must belong to. */
  readonly trustDomain: string;
  readonly clock: Clock;
  /** New files are in use from now on, or cannot be used and the old ones stay; told once for the same files. */
  readonly onReload?: (outcome: 'loaded' | 'failed', cause?: unknown) => void;
  /** A connection was refused; `why` is a clause that holds nothing of what the peer sent. */
  readonly onRefused?: (why: string) => void;
}

/** Disposing ends handshakes that are under way and the watch on the files; secured connections go on. */
export interface MutualTls extends Disposable {
  /**
   * Does the handshake on an accepted socket. `onSecure` gets the decrypted socket, which is then its own, and the caller;
   * it is not called, and the socket is destroyed, where the handshake fails or takes more than 10 s.
   */
  take(socket: Socket, onSecure: (socket: TLSSocket, caller: Caller) => void): void;
}

/** The longest handshake, in milliseconds. */
const handshakeMs = 10_000;

/** What timers hold, in milliseconds; a certificate that lasts longer outlives every connection's age. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * Reads the files, and watches them until it is disposed: connections that come after a change see the new ones, those that
 * are open go on. Rejects with an Error in a sentence where a file is missing or does not fit.
 */
export async function openMutualTls(options: MutualTlsOptions): Promise<MutualTls> {
  // Taken before the files are read: what changes meanwhile is seen by the first look.
  const used = await fingerprint(options);
  using material = await readTlsFiles(options, options.clock.now());
  return new Terminator(options, material, used);
}

/** A handshake that is under way. */
interface Handshake {
  readonly onSecure: (socket: TLSSocket, caller: Caller) => void;
  readonly timer: Timer;
}

class Terminator implements MutualTls {
  readonly #options: MutualTlsOptions;
  readonly #server: Server;
  readonly #handshakes = new Map<Socket, Handshake>();
  readonly #callers: SvidCallers;
  /** When the certificates of connections are over. */
  readonly #endings = new Set<Timer>();
  readonly #watch: Disposable;
  #disposed = false;

  constructor(options: MutualTlsOptions, material: TlsMaterial, used: string) {
    this.#options = options;
    this.#callers = new SvidCallers(options.trustDomain);
    // It never listens: connections are handed to it, and what it needs of a server is the check of certificates.
    this.#server = createServer({
      ...contextOf(material),
      ALPNProtocols: ['h2'],
      requestCert: true,
      rejectUnauthorized: true,
    });
    this.#server.on('secureConnection', (socket) => this.#secured(socket));
    this.#server.on('tlsClientError', (error, socket) => this.#failed(error, socket));
    this.#watch = watchTlsFiles({
      ...{ paths: options, clock: options.clock, used },
      onMaterial: (changed) => this.#use(changed),
      onFailed: (cause) => options.onReload?.('failed', cause),
    });
  }

  take(socket: Socket, onSecure: (socket: TLSSocket, caller: Caller) => void): void {
    if (this.#disposed) {
      socket.destroy();
      return;
    }
    const timer = this.#options.clock.after(handshakeMs, () => this.#refuse(socket, 'the handshake took over 10 s'));
    this.#handshakes.set(socket, { onSecure, timer });
    this.#server.emit('connection', socket);
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#watch[Symbol.dispose]();
    for (const timer of this.#endings) timer[Symbol.dispose]();
    this.#endings.clear();
    for (const socket of [...this.#handshakes.keys()]) {
      this.#end(socket);
      socket.destroy();
    }
  }

  #use(material: TlsMaterial): void {
    const context = contextOf(material);
    // Throws where the files do not make a context, while the server still has its old one.
    createSecureContext(context);
    this.#server.setSecureContext(context);
    this.#options.onReload?.('loaded');
  }

  /** Nobody goes on calling by a certificate that is over. */
  #endWithCertificate(secure: TLSSocket): void {
    const { clock } = this.#options;
    const end = Date.parse(secure.getPeerX509Certificate()?.validTo ?? '');
    const left = Number.isNaN(end) ? 0 : end - clock.now();
    if (left > longestTimerMs) return;
    const timer = clock.after(Math.max(left, 0), () => secure.destroy());
    this.#endings.add(timer);
    secure.once('close', () => {
      timer[Symbol.dispose]();
      this.#endings.delete(timer);
    });
  }

  #secured(secure: TLSSocket): void {
    const socket = acceptedBeneath(secure);
    const handshake = socket && this.#end(socket);
    if (handshake === undefined) {
      secure.destroy();
      return;
    }
    const admission = this.#admissionOf(secure);
    if (admission.kind === 'admitted') {
      this.#endWithCertificate(secure);
      handshake.onSecure(secure, admission.caller);
      return;
    }
    secure.on('error', () => {});
    secure.destroy();
    this.#options.onRefused?.(admission.why);
  }

  #admissionOf(secure: TLSSocket): Admission {
    const leaf = secure.getPeerX509Certificate();
    if (!secure.authorized || leaf === undefined) return refused('no certificate was shown');
    if (secure.alpnProtocol !== 'h2') return refused('HTTP/2 was not asked for by ALPN (h2)');
    return this.#callers.admissionOf(leaf.raw);
  }

  /** Reached for handshakes that TLS ended, and for sockets that ended before TLS was through. */
  #failed(error: Error, secure: TLSSocket): void {
    const socket = acceptedBeneath(secure);
    const verdict: unknown = secure.authorizationError;
    if (socket !== undefined)
      this.#refuse(socket, verdict ? `the chain is refused: ${codeIn(verdict)}` : faultOf(error));
    secure.destroy();
  }

  #refuse(socket: Socket, why: string): void {
    if (this.#end(socket) === undefined) return;
    socket.destroy();
    this.#options.onRefused?.(why);
  }

  /** Takes a handshake off the list; undefined where it is over. */
  #end(socket: Socket): Handshake | undefined {
    const handshake = this.#handshakes.get(socket);
    handshake?.timer[Symbol.dispose]();
    this.#handshakes.delete(socket);
    return handshake;
  }
}

function contextOf({ cert, key, ca }: TlsMaterial): SecureContextOptions {
  return {
    ...{ cert, key, ca, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' },
    // Without tickets that hold a session themselves, and with nobody who keeps sessions, there is none to resume.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/** The socket that TLS is done on. Node keeps it in a field of its own, which the tests hold against the Node in use. */
function acceptedBeneath(secure: TLSSocket): Socket | undefined {
  const parent: unknown = Reflect.get(secure, '_parent');
  return isSocket(parent) ? parent : undefined;
}

function isSocket(value: unknown): value is Socket {
  return typeof value === 'object' && value !== null && 'destroy' in value;
}

function faultOf(error: Error): string {
  return `the handshake failed: ${codeIn('code' in error ? error.code : undefined)}`;
}

/** Codes come from the tables of OpenSSL and of the system, whatever the peer sent. */
function codeIn(code: unknown): string {
  return typeof code === 'string' && /^[A-Z0-9_]{1,100}$/.test(code) ? code : 'unknown reason';
}
