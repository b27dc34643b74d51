/**
 * Where OpenBao 2.4.0 does not behave as HashiCorp Vault documents; see `divergence.ts`. No line keeps a test of the
 * contract from running: the two share Transit, and the provider is told nothing of which one it speaks to.
 */
import type { Divergences } from './divergence.ts';

export const openbaoDivergences = {
  namespaces_need_no_licence: {
    documented: 'namespaces are a feature of Vault Enterprise and HCP (Vault documentation, Namespaces)',
    instead: 'every server has them',
    skips: [],
  },
  keys_can_be_marked_for_deletion: {
    documented: 'a key of Transit is there or deleted for good (Vault API, Transit, Delete key)',
    instead: 'soft-delete makes it unusable until it is restored',
    skips: [],
  },
} as const satisfies Divergences;
