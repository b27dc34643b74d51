/**
 * What the replicas of an injector share: the authority that signs, the one that comes after it, the one that came before,
 * and the certificate of the webhook. `planned` is the whole rule of rotation, and pure but for randomness:
 *
 *     nothing, or nothing usable      → an authority and a certificate
 *     the authority is old            → one more, which is trusted from now on and signs nothing yet
 *     that one is known everywhere    → it signs, its predecessor is trusted until it ends
 *     the certificate is old          → another, by the same authority
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { backdatedMs, type Issued, issueLeaf, makeAuthority } from './authority.ts';

export interface KeyRing {
  readonly current: Issued;
  readonly next?: Issued;
  /** The certificate of the authority before; its key is gone. */
  readonly previous?: string;
  readonly leaf: Issued;
}

/** What has to be written down, and why; undefined where everything is as it should be. */
export interface Plan {
  readonly ring: KeyRing;
  readonly why: string;
}

/** From when on a certificate is old, as a share of its life. */
const oldAt = 2 / 3;
/** How long a next authority is only trusted, in milliseconds, so that every API server has heard of it. */
const defaultSettleMs = 600_000;

export interface PlanOptions {
  /** Names of the webhook's Service. */
  readonly hosts: readonly string[];
  /** In milliseconds since 1970. */
  readonly now: number;
  /** Whether the webhook's configuration has this certificate in its bundle. */
  readonly isTrusted: (cert: string) => boolean;
  /** How long a next authority is only trusted, in milliseconds; ten minutes by default. */
  readonly settleMs?: number | undefined;
}

/** What is to be done about `ring` now. */
export async function planned(ring: KeyRing | undefined, options: PlanOptions): Promise<Plan | undefined> {
  const { now, hosts, isTrusted, settleMs = defaultSettleMs } = options;
  if (ring === undefined || !isUsable(ring, options)) {
    const current = await makeAuthority(now);
    return {
      ring: { current, leaf: await issueLeaf(current, { hosts, now }) },
      why: 'there was none that can be used',
    };
  }
  const { current, next } = ring;
  if (next !== undefined && isTrusted(next.cert) && now >= madeAt(next.cert) + settleMs) {
    const leaf = await issueLeaf(next, { hosts, now });
    return { ring: { current: next, previous: current.cert, leaf }, why: 'the next authority takes over' };
  }
  if (next === undefined && isOld(current.cert, now)) {
    return {
      ring: { ...ring, next: await makeAuthority(now) },
      why: 'the authority is old: the next one is made known',
    };
  }
  if (isOld(ring.leaf.cert, now)) {
    return { ring: { ...ring, leaf: await issueLeaf(current, { hosts, now }) }, why: 'the certificate is old' };
  }
  return undefined;
}

/** The certificates that whoever asks the webhook has to trust, the one that signs first. */
export function authoritiesOf({ current, next, previous }: KeyRing): string[] {
  return [current.cert, ...(next === undefined ? [] : [next.cert]), ...(previous === undefined ? [] : [previous])];
}

/** When a certificate ends, in milliseconds since 1970. */
function endOf(cert: string): number {
  return new X509Certificate(cert).validToDate.getTime();
}

/**
 * `ring` without what cannot be used of what it can do without: a next authority that is none, or has another's key, and a
 * certificate before that cannot be read. The rest of it stays.
 */
export function withoutBadParts({ current, leaf, next, previous }: KeyRing): KeyRing {
  return {
    ...{ current, leaf },
    ...(next !== undefined && isAuthority(next) && { next }),
    ...(previous !== undefined && canBeRead(previous) && { previous }),
  };
}

function isAuthority(issued: Issued): boolean {
  try {
    return new X509Certificate(issued.cert).ca && hasItsKey(issued);
  } catch {
    return false;
  }
}

function canBeRead(cert: string): boolean {
  try {
    return new X509Certificate(cert).raw.length > 0;
  } catch {
    return false;
  }
}

/**
 * Whether what is in use fits together, has begun to be valid, and the authority has not ended. Whatever cannot be read
 * does not.
 */
function isUsable(ring: KeyRing, { hosts, now }: PlanOptions): boolean {
  try {
    const [authority, leaf] = [new X509Certificate(ring.current.cert), new X509Certificate(ring.leaf.cert)];
    return (
      authority.ca &&
      endOf(ring.current.cert) > now &&
      [authority, leaf].every(({ validFromDate }) => validFromDate.getTime() <= now) &&
      leaf.checkIssued(authority) &&
      leaf.verify(authority.publicKey) &&
      hosts.every((host) => leaf.checkHost(host) !== undefined) &&
      [ring.current, ring.leaf].every(hasItsKey)
    );
  } catch {
    return false;
  }
}

function hasItsKey({ cert, key }: Issued): boolean {
  return new X509Certificate(cert).checkPrivateKey(createPrivateKey({ key, format: 'pem' }));
}

function madeAt(cert: string): number {
  return new X509Certificate(cert).validFromDate.getTime() + backdatedMs;
}

function isOld(cert: string, now: number): boolean {
  const made = madeAt(cert);
  return now >= made + (endOf(cert) - made) * oldAt;
}
