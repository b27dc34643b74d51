import { GcpWorld } from './gcp-world.ts';
import { describeKeyServiceContract } from './key-service.contract.ts';

describeKeyServiceContract('Google Cloud KMS', {
  start: () => GcpWorld.start(),
  kinds: [
    { name: 'SYMMETRIC', bindsContext: true },
    { name: 'HSM_SYMMETRIC', bindsContext: true },
    { name: 'RSA_2048', bindsContext: false },
    { name: 'RSA_3072', bindsContext: false },
    { name: 'RSA_4096', bindsContext: false },
  ],
  unsuitableKinds: ['EC_SIGN', 'MAC', 'RAW_AES', 'RSA_2048_SHA1'],
});
