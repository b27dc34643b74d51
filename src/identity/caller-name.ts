/** The caller behind a name, as logs and the audit show it. */
import type { Caller } from '../base/caller.ts';
import { serviceAccountNamed } from './service-account.ts';
import { parseSpiffeId } from './spiffe-id.ts';

const peerPattern = /^socket:uid=(\d{1,10}),gid=(\d{1,10})$/;

/** What a caller's name may look like, for messages. */
export const callerNameForms =
  'socket, socket:uid=UID,gid=GID, anonymous, system:serviceaccount:NAMESPACE:NAME or spiffe://TRUST_DOMAIN/PATH';

/** The caller of this name; undefined where no caller can have it. */
export function callerNamed(name: string): Caller | undefined {
  if (name === 'socket' || name === 'anonymous') return { kind: name };
  const [, uid, gid] = peerPattern.exec(name) ?? [];
  if (uid !== undefined) return { kind: 'socket', peer: { pid: 0, uid: Number(uid), gid: Number(gid) } };
  const hasPath = (parseSpiffeId(name)?.path ?? '') !== '';
  return hasPath ? { kind: 'spiffe', id: name } : serviceAccountNamed(name);
}
