/** Who is told what a key is called and marked with, and in how many pages. */
import { ListAliasesCommand, ListResourceTagsCommand } from '@aws-sdk/client-kms';
import { describe, expect, it } from 'vitest';
import { kmsClient, refusal } from '../../simulators/aws/clients.ts';
import { startAwsSimulator } from '../../simulators/aws/server.ts';

const policy = (...Statement: object[]) => ({ Version: '2012-10-17', Statement });

describe('ListAliases', () => {
  it('lists the aliases of one key, in pages that may be shorter than what was asked for', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey();
    for (const name of ['d', 'b', 'a', 'c']) key.setAlias(`alias/${name}`);
    aws.createKey().setAlias('alias/other');
    const client = kmsClient(aws);
    const first = await client.send(new ListAliasesCommand({ KeyId: key.arn }));
    expect(first.Aliases?.map(({ AliasName }) => AliasName)).toEqual(['alias/a', 'alias/b', 'alias/c']);
    expect(first.Aliases?.[0]).toMatchObject({ TargetKeyId: key.keyId, AliasArn: expect.stringMatching(/:alias\/a$/) });
    expect(first.Truncated).toBe(true);
    const { NextMarker: Marker } = first;
    const rest = await client.send(new ListAliasesCommand({ KeyId: key.arn, Marker, Limit: 100 }));
    expect(rest.Aliases?.map(({ AliasName }) => AliasName)).toEqual(['alias/d']);
    expect(rest).toMatchObject({ Truncated: false });
  });

  it.each([
    [{ Marker: 'stranger' }, 'InvalidMarkerException'],
    [{ Limit: 0 }, 'ValidationException'],
    [{ Limit: 101 }, 'ValidationException'],
  ])('refuses %j', async (more, name) => {
    await using aws = await startAwsSimulator();
    const { arn: KeyId } = aws.createKey();
    expect((await refusal(kmsClient(aws).send(new ListAliasesCommand({ KeyId, ...more })))).name).toBe(name);
  });

  it("is not granted by a key's policy, nor on one key", async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey();
    const user = aws.createUser({
      name: 'on-one-key',
      permissions: policy({ Effect: 'Allow', Action: 'kms:*', Resource: key.arn }),
    });
    key.setPolicy(policy({ Effect: 'Allow', Principal: { AWS: user.arn }, Action: 'kms:*', Resource: '*' }));
    const call = kmsClient(aws, { credentials: user }).send(new ListAliasesCommand({ KeyId: key.arn }));
    expect((await refusal(call)).name).toBe('AccessDeniedException');
  });

  it('knows no key of another account', async () => {
    await using aws = await startAwsSimulator();
    const anybody = policy({ Effect: 'Allow', Principal: '*', Action: 'kms:*', Resource: '*' });
    const { arn: KeyId } = aws.createKey({ accountId: '999988887777', policy: anybody });
    expect((await refusal(kmsClient(aws).send(new ListAliasesCommand({ KeyId })))).name).toBe('NotFoundException');
  });
});

describe('ListResourceTags', () => {
  it('lists all tags in pages', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey();
    key.setTags({ a: '1', b: '2', c: '3', d: '' });
    const client = kmsClient(aws);
    const first = await client.send(new ListResourceTagsCommand({ KeyId: key.arn, Limit: 2 }));
    expect(first).toMatchObject({ Truncated: true, Tags: [{ TagKey: 'a', TagValue: '1' }, { TagKey: 'b' }] });
    const rest = await client.send(new ListResourceTagsCommand({ KeyId: key.arn, Marker: first.NextMarker }));
    expect(rest.Tags).toEqual([
      { TagKey: 'c', TagValue: '3' },
      { TagKey: 'd', TagValue: '' },
    ]);
    expect(rest).toMatchObject({ Truncated: false });
  });

  it('takes a permission on the key, and is for its own account', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey();
    const user = aws.createUser({
      name: 'without',
      permissions: policy({ Effect: 'Allow', Action: 'kms:Decrypt', Resource: '*' }),
    });
    const denied = kmsClient(aws, { credentials: user }).send(new ListResourceTagsCommand({ KeyId: key.arn }));
    expect((await refusal(denied)).name).toBe('AccessDeniedException');
    const anybody = policy({ Effect: 'Allow', Principal: '*', Action: 'kms:*', Resource: '*' });
    const { arn: KeyId } = aws.createKey({ accountId: '999988887777', policy: anybody });
    const foreign = kmsClient(aws).send(new ListResourceTagsCommand({ KeyId }));
    expect((await refusal(foreign)).name).toBe('NotFoundException');
  });

  it('belongs to one key of a family, as aliases do', async () => {
    await using aws = await startAwsSimulator();
    const primary = aws.createKey({ keyId: 'mrk-1234abcd12ab34cd56ef1234567890ab' });
    const replica = primary.replicate('eu-west-1');
    primary.setTags({ a: '1' });
    const client = kmsClient(aws, { region: 'eu-west-1' });
    expect((await client.send(new ListResourceTagsCommand({ KeyId: replica.arn }))).Tags).toEqual([]);
  });

  it('has no more tags than AWS would take', async () => {
    await using aws = await startAwsSimulator();
    const key = aws.createKey();
    expect(() => key.setTags({ '': 'x' })).toThrow(RangeError);
    expect(() => key.setTags(Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`t${i}`, ''])))).toThrow(
      RangeError,
    );
  });
});
