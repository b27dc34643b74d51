/** Whom certificates name that TLS has accepted; a certificate that is shown again is not read again. */
import { hash } from 'node:crypto';
import type { Caller } from '../base/caller.ts';
import { judgeSvid } from './svid.ts';

/** Whether a peer is somebody; `why` is a clause that holds nothing of what it sent. */
export type Admission =
  | { readonly kind: 'admitted'; readonly caller: Caller }
  | { readonly kind: 'refused'; readonly why: string };

/** How many callers are remembered by their certificate; the one known for longest makes room. */
const mostCallers = 1000;

/** Remembers who was admitted, and nobody who was refused. */
export class SvidCallers {
  readonly #trustDomain: string;
  readonly #known = new Map<string, Caller>();

  /** `trustDomain` is the SPIFFE trust domain that callers must belong to. */
  constructor(trustDomain: string) {
    this.#trustDomain = trustDomain;
  }

  /** Judges a leaf certificate (DER) by its SPIFFE ID alone: chain and dates are for TLS to check. */
  admissionOf(der: Buffer): Admission {
    const digest = hash('sha256', der, 'base64');
    const known = this.#known.get(digest);
    if (known !== undefined) return { kind: 'admitted', caller: known };
    const verdict = judgeSvid(der, this.#trustDomain);
    if (verdict.kind === 'refused') return refused(`the certificate is refused: ${verdict.why}`);
    const caller: Caller = { kind: 'spiffe', id: verdict.id };
    const [oldest] = this.#known.keys();
    if (this.#known.size >= mostCallers && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(digest, caller);
    return { kind: 'admitted', caller };
  }
}

/** A peer that is nobody. */
export function refused(why: string): Admission {
  return { kind: 'refused', why };
}
