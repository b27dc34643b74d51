/** Where applications call: one entry of `listen` in the daemon's file. */
import { hostPort, isLoopback } from './address.ts';
import { byDefault, optional, type Section, type Shape, section, type Values } from './shape.ts';
import { choice, flag, mode, oneOrMore, path } from './values.ts';

/** Whose HTTP/2 serves: keyproxy's own, or that of `@grpc/grpc-js`. */
export type Transport = (typeof transports)[number];

const transports = ['grpc-js', 'native'] as const;

/**
 * How callers of a listener say who they are. `socket`: by opening the Unix socket. `insecure_loopback`: not at all, they
 * are anonymous. `token`: by a bearer token in a call's metadata. `mtls`: by their certificate.
 */
export type IdentityMode = (typeof identityModes)[number];

const identityModes = ['socket', 'insecure_loopback', 'token', 'mtls'] as const;

/** One listener, checked. A call that carries a token is judged by that alone, where tokens are among its modes. */
export type Listener = { readonly transport: Transport; readonly identity: readonly IdentityMode[] } & (
  | /** `path` is absolute; `mode` holds the permission bits. */
  {
      readonly kind: 'unix';
      readonly path: string;
      readonly mode: number;
      /** Whether the kernel is asked who calls. */
      readonly peerCredentials: boolean;
    }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
);

/** A Unix socket's address holds 108 bytes with the closing zero on Linux (unix(7)). */
export const longestSocketPath = 107;

const defaultMode = 0o660;

const fields = {
  unix: optional(path, 'Path of a Unix socket. An entry has either `unix` or `tcp`.'),
  tcp: optional(hostPort, 'Loopback address and port.'),
  mode: optional(mode, 'Permissions of the Unix socket, octal digits in quotes.', '`"0660"`'),
  transport: optional(
    choice(transports),
    "Whose HTTP/2 serves: `native` is keyproxy's own, `grpc-js` that of the package `@grpc/grpc-js`.",
    '`native`, and `grpc-js` for `mtls`',
  ),
  peer_credentials: byDefault(
    flag,
    false,
    'Whether the kernel is asked which user and group is at the other end of the Unix socket; needs `native`, and loads a native module.',
  ),
  identity: optional(
    oneOrMore(choice(identityModes)),
    'How callers say who they are, one way or a list. `socket`: whoever can open the Unix socket. `token`: a ' +
      "Kubernetes service account's token in the metadata `authorization`. `mtls`: a SPIFFE ID in the client's " +
      'certificate. `insecure_loopback`: anonymous. A call that carries a token is judged by it alone.',
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

/** Which modes go with which kind of listener. */
const modesOf = {
  unix: ['socket', 'token'],
  tcp: ['token', 'mtls', 'insecure_loopback'],
} as const satisfies Readonly<Record<string, readonly IdentityMode[]>>;

function checkModes(kind: keyof typeof modesOf, modes: readonly IdentityMode[], entry: Section): void {
  const fitting: readonly IdentityMode[] = modesOf[kind];
  const wrong = modes.filter((mode) => !fitting.includes(mode));
  if (wrong.length > 0) {
    entry.problem('identity', `${wrong.join(' and ')} does not go with ${kind}; use ${fitting.join(', ')}`);
  }
  if (new Set(modes).size < modes.length) entry.problem('identity', 'names the same mode twice');
}

function checkUnix(values: Partial<ListenValues>, entry: Section): void {
  if (values.peer_credentials === true && values.transport === 'grpc-js') {
    entry.problem('peer_credentials', 'needs transport: native; grpc-js does not say who is at the other end');
  }
  checkModes('unix', values.identity ?? [], entry);
}

function checkTcp(values: Partial<ListenValues>, entry: Section): void {
  const { identity: modes = [], tcp } = values;
  if (entry.has('mode')) entry.problem('mode', 'does not go with tcp; only a Unix socket has permissions');
  if (values.peer_credentials === true) {
    entry.problem(
      'peer_credentials',
      'does not go with tcp; the kernel knows who is at the other end of a Unix socket alone',
    );
  }
  if (!entry.has('identity')) {
    entry.problem('identity', `is missing; a TCP listener needs one of ${modesOf.tcp.join(', ')}`);
  }
  checkModes('tcp', modes, entry);
  const isTls = modes.includes('mtls');
  if (isTls && modes.includes('insecure_loopback')) {
    entry.problem('identity', 'mtls and insecure_loopback do not go together; every client of mtls has a certificate');
  }
  if (isTls && values.transport === 'native') {
    entry.problem('transport', 'mtls needs transport: grpc-js; native is without TLS');
  }
  if (tcp !== undefined && !isLoopback(tcp) && !isTls) {
    entry.problem(
      'tcp',
      'is not a loopback address, and without TLS nothing else is served; use mtls, or 127.0.0.1 or [::1]',
    );
  }
}

/** The listener that an entry stands for; `absolute` makes a path absolute. */
export function listenerOf(values: ListenValues, absolute: (path: string) => string): Listener | undefined {
  const { unix, tcp, mode = defaultMode, peer_credentials: peerCredentials } = values;
  if (unix !== undefined) {
    const { transport = 'native', identity = ['socket'] } = values;
    return { kind: 'unix', path: absolute(unix), ...{ transport, identity, mode, peerCredentials } };
  }
  const { identity = [] } = values;
  const { transport = identity.includes('mtls') ? 'grpc-js' : 'native' } = values;
  if (tcp?.host === undefined) return undefined;
  return { kind: 'tcp', host: tcp.host, port: tcp.port, ...{ transport, identity } };
}
