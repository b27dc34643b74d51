/** Who calls. Every operation takes a `Caller` as its first argument and cannot be written without one. */

/** Who the kernel says is at the other end of a Unix socket. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** On whose behalf a call runs. */
export type Caller =
  /** Whoever can open the Unix socket; `peer` where the listener asks the kernel. */
  | { readonly kind: 'socket'; readonly peer?: PeerCredentials }
  /** Somebody on a loopback TCP listener that asks for no credentials. */
  | { readonly kind: 'anonymous' };
