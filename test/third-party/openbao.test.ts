import { describeForeignContract } from './foreign.contract.ts';
import { openbaoDivergences } from './openbao-divergences.ts';
import { OpenBaoWorld } from './openbao-world.ts';

describeForeignContract('openbao', {
  harness: {
    kinds: [
      { name: 'aes256-gcm96', bindsContext: true },
      { name: 'chacha20-poly1305', bindsContext: true },
      { name: 'rsa-2048', bindsContext: false },
      { name: 'rsa-3072', bindsContext: false },
      { name: 'rsa-4096', bindsContext: false },
    ],
    unsuitableKinds: ['ecdsa-p256', 'ed25519', 'hmac'],
  },
  start: (endpoint) => OpenBaoWorld.enter(endpoint),
  divergences: openbaoDivergences,
  atLeast: 70,
});
