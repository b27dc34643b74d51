/**
 * `npm run test:contract`: the contract of the key services, and at its end a table of provider by behaviour with the
 * number of tests that hold. Failures are listed by vitest's own reporter, beside which this one runs.
 */
import type { Reporter, TestCase, TestModule } from 'vitest/node';

/** Behaviour → how the titles of its tests begin, the suites that they stand in included. */
const behaviours: Readonly<Record<string, RegExp>> = {
  'round trip': /> (?:generates a data key of|wraps \d+ given|unwraps an entry as often)/,
  'two wraps differ': /> never (?:wraps the same|generates the same)/,
  'keys do not cross': /> (?:neither owns nor opens|owns what it wrapped|owns no entry)/,
  'context bound': /> (?:binds the context|takes pairs of any order)/,
  'tampering, truncation': /> (?:takes a changed byte|takes a ciphertext that is cut|says nothing of the bytes)/,
  'fault table': /> when its provider does not answer yes >/,
  'slow, half-open': /> when a connection gives no answer >/,
  'unsuitable keys': /> refuses a key of kind/,
  'its own tests': /^(?!.*, a key service >)/,
};

/** File names begin with the provider that they are about. */
function providerOf(file: string): string {
  return /test\/contract\/([a-z]+)[^/]*\.test\.ts$/.exec(file)?.[1] ?? '';
}

interface Ran {
  readonly provider: string;
  readonly name: string;
  readonly passed: boolean;
}

function ranIn(module: TestModule): Ran[] {
  const provider = providerOf(module.moduleId);
  return [...module.children.allTests()].map((test: TestCase) => ({
    provider,
    name: test.fullName,
    passed: test.result().state === 'passed',
  }));
}

/** One line a behaviour, one column a provider: how many hold, and of how many where not all do. */
function table(tests: readonly Ran[]): string {
  const providers = [...new Set(tests.map(({ provider }) => provider))].toSorted();
  const cell = (of: readonly Ran[]) => {
    const passed = of.filter((test) => test.passed).length;
    if (of.length === 0) return '–';
    return passed === of.length ? `${passed}` : `${passed} of ${of.length}`;
  };
  const rows = Object.entries(behaviours).map(([behaviour, title]) => {
    const matching = tests.filter(({ name }) => title.test(name));
    return [behaviour, ...providers.map((provider) => cell(matching.filter((test) => test.provider === provider)))];
  });
  const all = ['all', ...providers.map((provider) => cell(tests.filter((test) => test.provider === provider)))];
  const lines = [['', ...providers], ...rows, all];
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  return lines.map((line) => line.map((text, column) => text.padEnd(widths[column] ?? 0)).join('  ')).join('\n');
}

export default class ContractTable implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    process.stdout.write(`\ntests that hold, provider by behaviour\n\n${table(modules.flatMap(ranIn))}\n`);
  }
}
