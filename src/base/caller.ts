/** Who calls. Every operation takes a `Caller` as its first argument and cannot be written without one. */

/** On whose behalf a call runs. */
export type Caller =
  /** Whoever can open the Unix socket. */
  | { readonly kind: 'socket' }
  /** Somebody on a loopback TCP listener that asks for no credentials. */
  | { readonly kind: 'anonymous' };
