/** `keyproxy audit`: whether the audit log is as it was written, and what it tells of which calls. */
import { resolve } from 'node:path';
import { stdin } from 'node:process';
import { parseArgs } from 'node:util';
import { type AuditSource, type AuditVerdict, auditCalls, type CallFilter, verifyAudit } from '../app/audit-files.ts';
import { systemClock } from '../base/clock.ts';
import { isVerb, verbs } from '../base/verb.ts';
import { printCalls } from './audit-table.ts';
import { exitCodes, type Terminal, UsageError } from './exit.ts';

const outcomes = ['ok', 'failed', 'denied', 'unfinished'];

const usage = `keyproxy audit verify PATH [--from BLOCK] [--holds HASH]
       keyproxy audit show PATH [--tenant T] [--caller C] [--operation O] [--outcome X] [--reason R] [--id ID]
                           [--since T] [--until T] [--last N] [--json]
  PATH           the file of the audit log, the folder that holds it, or - for standard input
  --from         the block that the log begins with, where older ones were deleted
  --holds        a hash that was printed before: a block that has it must be there
  --operation    ${listed(verbs)}
  --outcome      ${listed(outcomes)}
  --since, --until   a time (2026-03-01, 2026-03-01T12:00:00Z) or how long ago (90s, 15m, 2h, 7d)
  --last         only so many, the last ones
  --json         a line of JSON for each call`;

type Subcommand = (args: readonly string[], terminal: Terminal) => Promise<number>;

const subcommands: Readonly<Record<string, Subcommand>> = { verify, show };

/** Runs `audit verify` or `audit show`. Exit code 1 where the chain is broken. */
export async function audit(args: readonly string[], terminal: Terminal): Promise<number> {
  const [name = '', ...rest] = args;
  if (name === '--help') {
    terminal.out(`usage: ${usage}\n`);
    return exitCodes.ok;
  }
  const run = Object.hasOwn(subcommands, name) ? subcommands[name] : undefined;
  if (run === undefined) throw new UsageError(`audit needs verify or show\n${usage}`);
  return await run(rest, terminal);
}

async function verify(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { from: { type: 'string' }, holds: { type: 'string' }, help: { type: 'boolean' } },
    allowPositionals: true,
  });
  if (values.help) {
    terminal.out(`usage: ${usage}\n`);
    return exitCodes.ok;
  }
  const { from, holds } = values;
  if (holds !== undefined && !/^[0-9a-f]{64}$/.test(holds)) {
    throw new UsageError(`--holds must be the 64 hexadecimal digits of a block's hash\n${usage}`);
  }
  const verdict = await verifyAudit(sourceOf(positionals, terminal), {
    ...(from !== undefined && { from: wholeNumber('--from', from) }),
    ...(holds !== undefined && { holds }),
  });
  report(verdict, terminal);
  return verdict.faultCount === 0 ? exitCodes.ok : exitCodes.failed;
}

function report(verdict: AuditVerdict, terminal: Terminal): void {
  const { entries, blocks, files, firstBlock, last, firstTime, lastTime, faults, faultCount } = verdict;
  for (const { file, line, what } of faults) terminal.err(`✗ ${file}:${line}: ${what}\n`);
  if (faultCount > faults.length) terminal.err(`✗ and ${faultCount - faults.length} faults more\n`);
  for (const [count, finding] of [
    [verdict.recoveredBlocks, 'blocks were sealed after their process was killed: its last write may be cut'],
    [verdict.lostEntries, 'entries were lost while the log could not be written'],
    [verdict.otherLines, 'lines are not of the audit log'],
    [verdict.chains > 1 ? verdict.chains : 0, 'chains follow each other: the process was started again'],
  ] as const) {
    if (count > 0) terminal.out(`! ${count} ${finding}\n`);
  }
  const times = firstTime === undefined ? '' : `, from ${firstTime} to ${lastTime}`;
  terminal.out(`${entries} entries in ${blocks} blocks of ${files} files${times}\n`);
  if (last !== undefined) terminal.out(`from block ${firstBlock} to block ${last.block}, whose hash is ${last.hash}\n`);
  if (faultCount === 0) terminal.out('✓ the chain is whole\n');
  else terminal.err('✗ the chain is broken\n');
}

const filters = ['id', 'caller', 'tenant', 'operation', 'outcome', 'reason'] as const;
async function show(args: readonly string[], terminal: Terminal): Promise<number> {
  const text = { type: 'string' } as const;
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      ...{ id: text, caller: text, tenant: text, operation: text, outcome: text, reason: text },
      ...{ since: text, until: text, last: text },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
    allowPositionals: true,
  });
  if (values.help) {
    terminal.out(`usage: ${usage}\n`);
    return exitCodes.ok;
  }
  if (values.operation !== undefined && !isVerb(values.operation)) {
    throw new UsageError(`--operation must be one of ${verbs.join(', ')}\n${usage}`);
  }
  if (values.outcome !== undefined && !outcomes.includes(values.outcome)) {
    throw new UsageError(`--outcome must be one of ${outcomes.join(', ')}\n${usage}`);
  }
  const filter: CallFilter = {
    ...Object.fromEntries(filters.map((name) => [name, values[name]])),
    since: values.since === undefined ? undefined : timeOf('--since', values.since),
    until: values.until === undefined ? undefined : timeOf('--until', values.until),
  };
  const last = values.last === undefined ? undefined : wholeNumber('--last', values.last);
  const odd = await printCalls(auditCalls(sourceOf(positionals, terminal), filter), terminal, {
    last,
    json: values.json,
  });
  if (odd > 0) terminal.err(`! ${odd} lines are no entries; keyproxy audit verify tells more\n`);
  return exitCodes.ok;
}

function listed(names: readonly string[]): string {
  return `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}

function sourceOf(positionals: readonly string[], terminal: Terminal): AuditSource {
  const [path, ...more] = positionals;
  if (path === undefined || more.length > 0) throw new UsageError(`name one file, one folder, or -\n${usage}`);
  return path === '-' ? { kind: 'input', input: stdin } : { kind: 'path', path: resolve(terminal.cwd, path) };
}

function wholeNumber(option: string, text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new UsageError(`${option} must be a whole number from 1 on\n${usage}`);
  return Number(text);
}

/** Milliseconds of a unit. */
const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function timeOf(option: string, text: string): number {
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  if (count !== undefined && unit !== undefined) return systemClock.now() - Number(count) * (units[unit] ?? 0);
  const time = /^\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d))?$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) {
    throw new UsageError(`${option} must be a time like 2026-03-01T12:00:00Z, or how long ago like 15m\n${usage}`);
  }
  return time;
}
