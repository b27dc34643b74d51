/** The matrix as it is written, from the product's own document down to what somebody gets wrong. */
import { describe, expect, it } from 'vitest';
import { ProblemCollector } from '../../../src/config/problem.ts';
import { readShape } from '../../../src/config/read.ts';
import { segregationBlock } from '../../../src/config/segregation-block.ts';
import { required, section } from '../../../src/config/shape.ts';
import { readYaml } from '../../../src/config/yaml-tree.ts';

function parsed(text: string) {
  const collector = new ProblemCollector();
  const shape = section({ segregation: required(segregationBlock, '') });
  const read = readShape(readYaml(text, 'k.yaml', collector), shape, { file: 'k.yaml', collector });
  return collector.result(read?.segregation);
}

const problems = (text: string) =>
  parsed(text).problems.map(({ line, path, message }) => `${line} ${path}: ${message}`);

/** The rows of the seed's `segregation_matrix`, to the letter. */
const seed = `
  production:
    key_prefix: "prod-"
    required_tags:
      Environment: "production"
      DataClassification: "sensitive"
    approval_required: true
    
  staging:
    key_prefix: "stage-"
    required_tags:
      Environment: "staging"
    approval_required: false
    
  development:
    key_prefix: "dev-"
    required_tags:
      Environment: "development"
    approval_required: false
`;

it('The matrix of the design is read as it stands there', () => {
  expect(parsed(`segregation:${seed}`)).toEqual({
    problems: [],
    warnings: [],
    config: new Map([
      [
        'production',
        {
          keyPrefix: 'prod-',
          requiredTags: new Map([
            ['Environment', 'production'],
            ['DataClassification', 'sensitive'],
          ]),
          approvalRequired: true,
        },
      ],
      [
        'staging',
        { keyPrefix: 'stage-', requiredTags: new Map([['Environment', 'staging']]), approvalRequired: false },
      ],
      [
        'development',
        { keyPrefix: 'dev-', requiredTags: new Map([['Environment', 'development']]), approvalRequired: false },
      ],
    ]),
  });
});

describe('a row', () => {
  it.each([
    [
      'a prefix alone',
      '{ key_prefix: prod- }',
      { keyPrefix: 'prod-', requiredTags: new Map(), approvalRequired: false },
    ],
    ['tags alone', '{ required_tags: { a: "" } }', { requiredTags: new Map([['a', '']]), approvalRequired: false }],
    ['approval alone', '{ approval_required: true }', { requiredTags: new Map(), approvalRequired: true }],
  ])('may have %s', (_name, row, expected) => {
    expect(parsed(`segregation: { production: ${row} }`).config).toEqual(new Map([['production', expected]]));
  });

  it.each([
    ['nothing', '{}', /production\.key_prefix: is missing, and so is required_tags/],
    ['another key', '{ key_prefx: prod- }', /key_prefx: is an unknown key; did you mean key_prefix\?/],
    ['a prefix that no key has', '{ key_prefix: "prod " }', /key_prefix: must be 1 to 128 characters/],
    ['an empty prefix', '{ key_prefix: "" }', /key_prefix: must be 1 to 128 characters/],
    [
      'a tag without quotes',
      '{ required_tags: { a: true } }',
      /required_tags\.a: must be text: put the boolean in quotes/,
    ],
    ['a list of tags', '{ required_tags: [a] }', /required_tags: must be a section of tags/],
    [
      'a tag that is none',
      '{ required_tags: { "a\\nb": c } }',
      /required_tags\.\(a name of 3 characters\): must be 1 to 128/,
    ],
    ['too long a value', `{ required_tags: { a: "${'x'.repeat(257)}" } }`, /required_tags\.a: must be at most 256/],
    ['a word for a flag', '{ key_prefix: p, approval_required: "yes" }', /approval_required: must be true or false/],
  ])('with %s is refused', (_name, row, message) => {
    expect(problems(`segregation: { production: ${row} }`).join('\n')).toMatch(message);
  });

  it('has at most fifty tags', () => {
    const tags = (count: number) => Array.from({ length: count }, (_, i) => `t${i}: v`).join(', ');
    expect(problems(`segregation: { a: { required_tags: { ${tags(50)} } } }`)).toEqual([]);
    expect(problems(`segregation: { a: { required_tags: { ${tags(51)} } } }`)).toEqual([
      '1 segregation.a.required_tags: must be a section of tags with their values, at most 50',
    ]);
  });
});

describe('the matrix', () => {
  it.each([
    ['{}', /segregation: is empty; give it a row, or leave it out/],
    ['[production]', /segregation: must be a section of environments/],
    ['{ "pro duction": { key_prefix: a } }', /must be 1 to 64 characters of \[A-Za-z0-9._-\]/],
  ])('%s is refused', (text, message) => {
    expect(problems(`segregation: ${text}`).join('\n')).toMatch(message);
  });

  it('has all of its problems told at once', () => {
    const text = 'segregation:\n  a: { key_prefix: 1 }\n  b: { approval_required: 1 }\n  c: {}\n';
    expect(problems(text).map((problem) => problem.split(':')[0])).toEqual([
      '2 segregation.a.key_prefix',
      '3 segregation.b.approval_required',
      '4 segregation.c.key_prefix',
    ]);
  });
});
