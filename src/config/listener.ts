/** Where applications call: one entry of `listen` in the daemon's file. */
import { type HostPort, hostPort, isLoopback } from './address.ts';
import { byDefault, optional, type Section, type Shape, section, type Values } from './shape.ts';
import { choice, flag, mode, path } from './values.ts';

/** Whose HTTP/2 serves: keyproxy's own, or that of `@grpc/grpc-js`. */
export type Transport = (typeof transports)[number];

const transports = ['grpc-js', 'native'] as const;

/** One listener, checked. */
export type Listener = { readonly transport: Transport } & (
  | /** `path` is absolute; `mode` holds the permission bits. Whoever can open the socket may call. */
  {
      readonly kind: 'unix';
      readonly path: string;
      readonly mode: number;
      readonly identity: 'socket';
      /** Whether the kernel is asked who calls. */
      readonly peerCredentials: boolean;
    }
  /** Loopback only; its callers are anonymous. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly identity: 'insecure_loopback' }
);

/** A Unix socket's address holds 108 bytes with the closing zero on Linux (unix(7)). */
export const longestSocketPath = 107;

const defaultMode = 0o660;

const fields = {
  unix: optional(path, 'Path of a Unix socket. An entry has either `unix` or `tcp`.'),
  tcp: optional(hostPort, 'Loopback address and port.'),
  mode: optional(mode, 'Permissions of the Unix socket, octal digits in quotes.', '`"0660"`'),
  transport: byDefault(
    choice(transports),
    'native',
    "Whose HTTP/2 serves: `native` is keyproxy's own, `grpc-js` that of the package `@grpc/grpc-js`.",
  ),
  peer_credentials: byDefault(
    flag,
    false,
    'Whether the kernel is asked which user and group is at the other end of the Unix socket; needs `native`, and loads a native module.',
  ),
  identity: optional(
    choice(['socket', 'insecure_loopback', 'token', 'mtls']),
    'Who the callers are. `socket`: whoever can open the Unix socket. `insecure_loopback`: anonymous, and must be ' +
      'written out for TCP. `token` and `mtls` are not in this version.',
    '`socket` for `unix`, none for `tcp`',
  ),
};

/** An entry of `listen` as it stands in the file. */
export type ListenValues = Values<typeof fields>;

/** The shape of an entry of `listen`. */
export const listenShape: Shape<ListenValues> = section(fields, (values, entry) => {
  if (entry.has('unix') === entry.has('tcp')) {
    entry.problem(entry.has('tcp') ? 'tcp' : 'unix', 'an entry of listen has either unix (a path) or tcp (an address)');
  } else if (entry.has('unix')) checkUnix(values, entry);
  else checkTcp(values, entry);
});

function checkUnix(values: Partial<ListenValues>, entry: Section): void {
  const { identity } = values;
  if (values.peer_credentials === true && values.transport === 'grpc-js') {
    entry.problem('peer_credentials', 'needs transport: native; grpc-js does not say who is at the other end');
  }
  if (identity === 'insecure_loopback') entry.problem('identity', 'does not go with a Unix socket; leave it out');
  else if (identity !== undefined && identity !== 'socket') {
    entry.problem('identity', `${identity} is not in this version of keyproxy; on a Unix socket, socket is`);
  }
}

function checkTcp(values: Partial<ListenValues>, entry: Section): void {
  const { identity, tcp } = values;
  if (entry.has('mode')) entry.problem('mode', 'does not go with tcp; only a Unix socket has permissions');
  if (values.peer_credentials === true) {
    entry.problem(
      'peer_credentials',
      'does not go with tcp; the kernel knows who is at the other end of a Unix socket alone',
    );
  }
  if (!entry.has('identity')) {
    entry.problem(
      'identity',
      'is missing; without token and mtls, which this version does not have, a TCP listener needs identity: insecure_loopback',
    );
  } else if (identity !== undefined && identity !== 'insecure_loopback') {
    const state = identity === 'socket' ? 'does not go with tcp' : `${identity} is not in this version of keyproxy`;
    entry.problem('identity', `${state}; the only identity of a TCP listener is insecure_loopback`);
  }
  if (tcp !== undefined && !isLoopback(tcp)) {
    entry.problem(
      'tcp',
      'is not a loopback address, and without TLS, which this version does not have, nothing else is served; use 127.0.0.1 or [::1]',
    );
  }
}

/** The listener that an entry stands for; `absolute` makes a path absolute. */
export function listenerOf(values: ListenValues, absolute: (path: string) => string): Listener | undefined {
  const { transport } = values;
  if (values.unix !== undefined) {
    const { unix, mode = defaultMode } = values;
    const { peer_credentials: peerCredentials } = values;
    return { transport, kind: 'unix', path: absolute(unix), mode, identity: 'socket', peerCredentials };
  }
  return values.tcp === undefined ? undefined : tcpListener(values.tcp, transport);
}

function tcpListener({ host, port }: HostPort, transport: Transport): Listener | undefined {
  return host === undefined ? undefined : { transport, kind: 'tcp', host, port, identity: 'insecure_loopback' };
}
