/** Where OpenBao 2.4.0 does not behave as HashiCorp Vault documents; see `divergence.ts`. */
import type { Divergences } from './divergence.ts';

export const openbaoDivergences = {} as const satisfies Divergences;
