/** Which keys fit an environment, by the row of the matrix and by what each provider has for names and tags. */
import { describe, expect, it } from 'vitest';
import { KeyproxyError } from '../../../src/base/errors.ts';
import type { FactsCall, KeyFacts } from '../../../src/kms/key-facts.ts';
import type { KeyService, ProviderName } from '../../../src/kms/key-service.ts';
import { type EnvironmentRule, expectInside, ruleFor, type Segregation } from '../../../src/kms/segregation.ts';
import { failureOf, never } from '../../contract/calls.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';

const production: EnvironmentRule = {
  environment: 'production',
  keyPrefix: 'prod-',
  requiredTags: new Map([
    ['Environment', 'production'],
    ['DataClassification', 'sensitive'],
  ]),
  approvalRequired: true,
};

interface Told {
  readonly names?: readonly string[];
  readonly tags?: Readonly<Record<string, string>>;
}

/** A key of a provider that tells what it is called and marked with, and what it was asked for. */
function keyOf(provider: ProviderName, { names = [], tags = {} }: Told) {
  const asked: Omit<FactsCall, 'signal'>[] = [];
  const key = new FakeKeyService('cmk');
  const service: KeyService = {
    ...{ provider, keyId: key.keyId },
    owns: (entry) => key.owns(entry),
    describe: (entry) => key.describe(entry),
    generate: (request) => key.generate(request),
    wrap: (request) => key.wrap(request),
    unwrap: (request) => key.unwrap(request),
    async facts({ signal: _signal, ...wanted }): Promise<KeyFacts> {
      asked.push(wanted);
      return { names, tags: new Map(Object.entries(tags)) };
    },
    [Symbol.asyncDispose]: () => key[Symbol.asyncDispose](),
  };
  return { service, asked };
}

const tags = { Environment: 'production', DataClassification: 'sensitive' };

/** The clause that the key is refused with, or `inside`. */
async function verdict(provider: ProviderName, told: Told, rule = production): Promise<string> {
  const { service } = keyOf(provider, told);
  const outcome = await expectInside(service, rule, never).then(
    () => 'inside',
    () => failureOf(expectInside(service, rule, never)),
  );
  if (typeof outcome === 'string') return outcome;
  expect(outcome.fault).toEqual({ kind: 'config', reason: 'KEY_OUTSIDE_SEGREGATION' });
  return outcome.details.advice ?? '';
}

describe('a key', () => {
  it('fits with a name of the prefix and all the tags, whatever else it has', async () => {
    expect(await verdict('aws_kms', { names: ['orders', 'prod-orders'], tags: { ...tags, Team: 'a' } })).toBe('inside');
    expect(await verdict('azure_kv', { names: ['prod-orders'], tags })).toBe('inside');
  });

  it.each<[string, Told, string]>([
    [
      'another alias',
      { names: ['stage-orders'], tags },
      'a key in production has to have an alias that begins with prod-, and this one has stage-orders',
    ],
    ['no alias', { tags }, 'a key in production has to have an alias that begins with prod-, and this one has none'],
    [
      'the prefix inside of a name only',
      { names: ['my-prod-orders'], tags },
      'a key in production has to have an alias that begins with prod-, and this one has my-prod-orders',
    ],
    [
      'the prefix in another case',
      { names: ['PROD-orders'], tags },
      'a key in production has to have an alias that begins with prod-, and this one has PROD-orders',
    ],
    [
      'one tag too few',
      { names: ['prod-a'], tags: { Environment: 'production' } },
      'a key in production has to have the tag DataClassification with the value sensitive',
    ],
    [
      'another value, which is not told',
      { names: ['prod-a'], tags: { ...tags, Environment: 'secret-value' } },
      'a key in production has to have the tag Environment with the value production',
    ],
    [
      'a tag in another case',
      { names: ['prod-a'], tags: { ...tags, Environment: 'Production' } },
      'a key in production has to have the tag Environment with the value production',
    ],
  ])('with %s does not fit', async (_name, told, expected) => {
    expect(await verdict('aws_kms', told)).toBe(expected);
  });

  it('is told of everything that is wrong at once, and with few names', async () => {
    const names = ['a', 'b\n', 'c', 'd', 'e'];
    const said = await verdict('aws_kms', { names });
    expect(said.split('; ')).toHaveLength(3);
    expect(said).toMatch(/has a, c, d and others;/);
  });
});

describe('what a provider has', () => {
  it('names of Azure are the same in either case, tags are not', async () => {
    expect(await verdict('azure_kv', { names: ['PROD-orders'], tags })).toBe('inside');
    const lower = { environment: 'production', dataclassification: 'sensitive' };
    expect(await verdict('azure_kv', { names: ['prod-orders'], tags: lower })).toMatch(/the tag Environment/);
  });

  it('labels of Google are in lower case, so the matrix is read that way', async () => {
    const labels = { environment: 'production', dataclassification: 'sensitive' };
    expect(await verdict('gcp_kms', { names: ['prod-orders'], tags: labels })).toBe('inside');
    expect(await verdict('gcp_kms', { names: ['prod-orders'] })).toBe(
      'a key in production has to have the label environment with the value production; ' +
        'a key in production has to have the label dataclassification with the value sensitive',
    );
  });

  it.each(['vault', 'local'] as const)('keys of %s have no tags, so no row with tags is for them', async (provider) => {
    expect(await verdict(provider, { names: ['prod-orders'] })).toBe(
      `a key in production has to have tags, and keys of ${provider} have none; ` +
        "use another provider, or take required_tags out of the environment's row",
    );
    const untagged = { ...production, requiredTags: new Map() };
    expect(await verdict(provider, { names: ['prod-orders'] }, untagged)).toBe('inside');
    expect(await verdict(provider, { names: ['orders'] }, untagged)).toMatch(/a name that begins with prod-/);
  });
});

describe('what nobody wants', () => {
  it.each([
    ['tags', { ...production, requiredTags: new Map() }, [{ names: true, tags: false }]],
    [
      'names',
      { environment: 'a', requiredTags: production.requiredTags, approvalRequired: false },
      [{ names: false, tags: true }],
    ],
    ['anything', { environment: 'a', requiredTags: new Map(), approvalRequired: true }, []],
  ])('is not asked for: %s', async (_name, rule, expected) => {
    const { service, asked } = keyOf('aws_kms', { names: ['prod-a'], tags });
    await expectInside(service, rule, never);
    expect(asked).toEqual(expected);
  });
});

it('A key that tells nothing of itself fits no rule that asks for something', async () => {
  const untagged = { ...production, requiredTags: new Map() };
  const { fault } = await failureOf(expectInside(new FakeKeyService('cmk'), untagged, never));
  expect(fault).toEqual({ kind: 'config', reason: 'KEY_OUTSIDE_SEGREGATION' });
});

describe('the row for a tenant', () => {
  const row = { requiredTags: new Map<string, string>(), approvalRequired: false };
  const segregation: Segregation = new Map([
    ['production', { keyPrefix: 'prod-', ...row }],
    ['staging', { keyPrefix: 'stage-', ...row }],
  ]);

  it('is that of its own environment, else that of the daemon', () => {
    const setting = { segregation, environment: 'production' };
    expect(ruleFor({}, setting)).toMatchObject({ environment: 'production', keyPrefix: 'prod-' });
    expect(ruleFor({ environment: 'staging' }, setting)).toMatchObject({ environment: 'staging', keyPrefix: 'stage-' });
  });

  it('is none where there is no matrix', () => {
    expect(ruleFor({ environment: 'staging' }, { environment: 'production' })).toBeUndefined();
  });

  it('has to be there where there is a matrix', () => {
    const without = () => ruleFor({ environment: 'development' }, { segregation, environment: 'production' });
    expect(without).toThrow(KeyproxyError);
    expect(without).toThrow(
      'the segregation matrix has no row for the environment development, but for production, staging; ' +
        'correct the environment, or add its row',
    );
  });
});
