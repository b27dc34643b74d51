/** What the two configuration files have in common when they are fuzzed: changes of YAML, and what must hold of problems. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConfigProblem, Parsed } from '../../../src/config/problem.ts';
import { describeProblem } from '../../../src/config/problem.ts';
import { inserted, mutateBytes } from '../engine/bytes.ts';
import type { Dice } from '../engine/dice.ts';
import { feature } from '../engine/map.ts';
import { Fault } from '../engine/target.ts';

const folder = join(import.meta.dirname, '../../support/fixtures/config');

/** A file of the fixtures. */
export function fixture(name: string): Buffer {
  return readFileSync(join(folder, name));
}

/** Stands for a secret wherever text can stand; neither a key nor a value of that kind is ever to be repeated. */
const secret = 'S3cr3t§hunter2§99';

const words = [
  ...['"', "'", '{', '}', '[', ']', ', ', ': ', '- ', '#', '\n', '\n  ', '\t', '|', '>', '? ', '&a ', '*a', '!!str '],
  ...['---\n', '%YAML 1.1\n', '~', 'null', 'true', '0', '-1', '1e9', '0x10', '.inf', '2026-01-01', '\0', '\u{feff}'],
  ...['provider: ', 'aws_kms', 'azure_kv', 'gcp_kms', 'vault', 'local', '{ key_name: a, key_file: b }', 'encryption:'],
  ...['https://x.example', 'http://127.0.0.1:1', 'arn:aws:kms:us-east-1:123456789012:key/a', 'replicas: [', 'retired:'],
  ...['listen:', '{ tcp: 127.0.0.1:1 }', '{ unix: /run/a }', 'identity: ', '64MiB', 'policy: ', 'tenants: '],
  ...[secret, `${secret}: 1\n`, `"${secret}"`, '__proto__: ', 'constructor: '],
] as const;

/** A copy of YAML with one to a few changes, mostly of whole lines and of words. */
export function mutateText(bytes: Buffer, dice: Dice, other: Buffer): Buffer {
  if (dice.once(3)) return mutateBytes(bytes, dice, other);
  let text: Buffer = bytes;
  for (let left = 1 + dice.small(4); left > 0; left--) text = changeOnce(text, dice, other);
  return text;
}

function changeOnce(bytes: Buffer, dice: Dice, other: Buffer): Buffer {
  if (dice.once(2)) return inserted(bytes, dice.below(bytes.length + 1), Buffer.from(dice.pick(words)));
  const lines = bytes.toString('latin1').split('\n');
  const at = dice.below(lines.length);
  const line = lines[at] ?? '';
  const others = other.toString('latin1').split('\n');
  switch (dice.below(6)) {
    case 0:
      lines.splice(at, 1 + dice.small(3));
      break;
    case 1:
      lines.splice(dice.below(lines.length), 0, line);
      break;
    case 2:
      lines[at] = `  ${line}`;
      break;
    case 3:
      lines[at] = line.replace(/^ {2}/, '');
      break;
    case 4:
      lines[at] = line.replace(/:.*/, `: ${Buffer.from(dice.pick(words)).toString('latin1')}`);
      break;
    default:
      lines.splice(at, 0, ...others.slice(dice.below(others.length)).slice(0, 1 + dice.small(5)));
  }
  return Buffer.from(lines.join('\n'), 'latin1');
}

/** What must hold of whatever a file was read as. */
export function checkParsed<T>({ config, problems, warnings }: Parsed<T>, text: string): void {
  if ((config === undefined) !== problems.length > 0) throw new Fault('a file is neither taken nor refused');
  // One for each line break of any kind, and more: the YAML library counts some that others do not.
  const lines = text.split(/[\n\r]/).length + 1;
  for (const problem of [...problems, ...warnings]) checkProblem(problem, lines);
  feature(31, Math.min(problems.length, 12), config === undefined ? 0 : 1);
}

function checkProblem(problem: ConfigProblem, lines: number): void {
  if (problem.line < 1 || problem.line > lines) throw new Fault('a problem is on a line that there is not');
  const told = describeProblem(problem);
  // No sentence of ours has these: they can only have come out of the file.
  if (/[^ -~\u2026]/.test(told)) throw new Fault('a problem repeats something of the file');
  if (told.includes('hunter2')) throw new Fault('a problem repeats a secret');
  if (told.length > 1_000) throw new Fault('a problem is longer than anybody reads');
}
