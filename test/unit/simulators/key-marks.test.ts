/** Tags at Azure and labels at Google as those services keep them: whose they are, and which they do not take. */
import { expect, it } from 'vitest';
import { tokenOf, vaultCall } from '../../simulators/azure/clients.ts';
import { startAzureSimulator } from '../../simulators/azure/server.ts';
import { prepareKey } from '../../simulators/gcp/prepared-key.ts';

it('Tags of Azure are those of one version, and a new version has none', async () => {
  await using azure = await startAzureSimulator();
  const application = azure.createApplication();
  azure.grant(application.objectId, '*', ['get', 'list']);
  const call = { token: await tokenOf(azure, application, 'https://vault.azure.net'), origin: azure.vaultUrl };
  const key = azure.createKey({ kty: 'EC' });
  const [first, tags] = [key.version, { Environment: 'production' }];
  key.setTags(tags);
  key.rotate();
  const tagsAt = async (path: string) => (await vaultCall(azure, path, call)).json['tags'];
  expect(await tagsAt(`keys/${key.name}/${first}`)).toEqual(tags);
  expect(await tagsAt(`keys/${key.name}`)).toBeUndefined();
  expect(() => key.setTags(Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`t${i}`, ''])))).toThrow(
    RangeError,
  );
});

it('Labels of Google are those of the key, all in lower case, and are shown to whoever may look at it', async () => {
  await using prepared = await prepareKey();
  const { client, key } = prepared;
  const labels = { environment: 'production' };
  key.setLabels(labels);
  key.rotate();
  expect((await client.call('GetCryptoKey', { name: key.name }))['labels']).toEqual(labels);
  for (const wrong of [{ Environment: 'production' }, { environment: 'Production' }, { '1st': '' }, { a: 'b c' }]) {
    expect(() => key.setLabels(wrong)).toThrow(TypeError);
  }
});
