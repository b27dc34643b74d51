import { AzureWorld } from './azure-world.ts';
import { describeKeyServiceContract } from './key-service.contract.ts';

describeKeyServiceContract('Azure Key Vault', {
  start: () => AzureWorld.start(),
  kinds: [
    { name: 'RSA_2048', bindsContext: false },
    { name: 'RSA_3072', bindsContext: false },
    { name: 'RSA_4096', bindsContext: false },
    { name: 'RSA_HSM_2048', bindsContext: false },
    { name: 'OCT_HSM', bindsContext: false, wrapsDiffer: false },
  ],
  unsuitableKinds: ['EC_P256', 'EC_HSM'],
});
