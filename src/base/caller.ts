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
  | { readonly kind: 'anonymous' }
  /** A Kubernetes service account, by a projected token. */
  | { readonly kind: 'service_account'; readonly namespace: string; readonly name: string }
  /** A workload, by its SPIFFE ID. */
  | { readonly kind: 'spiffe'; readonly id: string };

/**
 * The names that a policy may know a caller by: the one that logs and the audit show first, then wider ones. A service
 * account has the name that Kubernetes gives it as a user
 * (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#service-account-tokens).
 */
export function callerNames(caller: Caller): readonly [string, ...string[]] {
  switch (caller.kind) {
    case 'socket': {
      const { peer } = caller;
      if (peer === undefined) return ['socket'];
      const { uid, gid } = peer;
      return [`socket:uid=${uid},gid=${gid}`, `socket:uid=${uid}`, `socket:gid=${gid}`, 'socket'];
    }
    case 'anonymous':
      return ['anonymous'];
    case 'service_account':
      return [`system:serviceaccount:${caller.namespace}:${caller.name}`];
    case 'spiffe':
      return [caller.id];
  }
}

/** How logs, the audit and policies call a caller. */
export function callerName(caller: Caller): string {
  return callerNames(caller)[0];
}
