/** The caller behind a name, as logs and the audit show it. */
import type { Caller } from '../base/caller.ts';

const patterns: readonly (readonly [pattern: RegExp, caller: (parts: readonly string[]) => Caller])[] = [
  [/^socket$/, () => ({ kind: 'socket' })],
  [
    /^socket:uid=(\d{1,10}),gid=(\d{1,10})$/,
    ([uid = '', gid = '']) => ({ kind: 'socket', peer: { pid: 0, uid: Number(uid), gid: Number(gid) } }),
  ],
  [/^anonymous$/, () => ({ kind: 'anonymous' })],
  [
    /^system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})$/,
    ([namespace = '', name = '']) => ({ kind: 'service_account', namespace, name }),
  ],
  [/^(spiffe:\/\/[a-z0-9._-]{1,255}(?:\/[A-Za-z0-9._-]+)+)$/, ([id = '']) => ({ kind: 'spiffe', id })],
];

/** What a caller's name may look like, for messages. */
export const callerNameForms =
  'socket, socket:uid=UID,gid=GID, anonymous, system:serviceaccount:NAMESPACE:NAME or spiffe://TRUST_DOMAIN/PATH';

/** The caller of this name; undefined where no caller can have it. */
export function callerNamed(name: string): Caller | undefined {
  for (const [pattern, caller] of patterns) {
    const match = pattern.exec(name);
    if (match !== null) return caller(match.slice(1));
  }
  return undefined;
}
