import { join } from 'node:path';
import { createLocalKeyFile } from '../../src/kms/local/key-file.ts';
import { openLocalKey } from '../../src/kms/local/open.ts';
import { temporaryFolder } from '../support/daemon.ts';
import { describeKeyServiceContract } from './key-service.contract.ts';
import type { OpenedKey, World } from './world.ts';

async function start(): Promise<World<OpenedKey>> {
  const folder = await temporaryFolder();
  let keys = 0;
  return {
    async openKey() {
      const keyName = `key-${keys++}`;
      const keyFile = join(folder.path, keyName);
      await createLocalKeyFile(keyFile);
      const service = await openLocalKey({ provider: 'local', keyName, keyFile });
      return { service, [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]() };
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

describeKeyServiceContract('local', { start, kinds: [{ name: 'a file', bindsContext: true }] });
