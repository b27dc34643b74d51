/** Whether the dependencies may be used as they are: the audit's answers against what was accepted. */
import type { Accepted, AllowList } from './audit-allow-list.ts';
import { type Advisory, type AuditAnswer, type Severity, severities } from './audit-report.ts';

/** The least severity that fails, unless accepted. What only development runs is held to less. */
const limits = { production: 'moderate', development: 'critical' } as const satisfies Record<string, Severity>;
type Use = keyof typeof limits;

/** What to print, a line each, and how to exit. */
export interface Verdict {
  readonly lines: readonly string[];
  readonly exitCode: 0 | 1;
}

/** All that the verdict is made of. */
export interface Evidence {
  /** Of a package that is known to be vulnerable: whoever answers with nothing for it knows nothing. */
  readonly probe: AuditAnswer;
  /** Of the dependencies for running. */
  readonly production: AuditAnswer;
  /** Of all dependencies. */
  readonly everything: AuditAnswer;
  readonly allowList: AllowList;
  /** Where nothing can be checked, fail. */
  readonly strict: boolean;
}

/** One line for each finding and problem, and a last one that sums up. What was not checked never looks like a pass. */
export function verdictOf({ allowList, strict, ...evidence }: Evidence): Verdict {
  const answers = [sighted(evidence.probe), evidence.production, evidence.everything];
  const failed = answers.find((answer) => answer.kind === 'failed');
  const unchecked = answers.find((answer) => answer.kind === 'not_checked');
  const problems = allowList.problems.map((problem) => `FAIL  ${problem}`);
  if (failed !== undefined)
    return { lines: [...problems, `FAIL  the audit did not work: ${oneLine(failed.why)}`], exitCode: 1 };
  if (unchecked !== undefined) {
    const lines = [...problems, `NOT CHECKED  no dependency was looked up: ${oneLine(unchecked.why)}`];
    return { lines, exitCode: strict || problems.length > 0 ? 1 : 0 };
  }
  const { production, everything } = evidence;
  if (production.kind !== 'checked' || everything.kind !== 'checked') throw new Error('an answer has no outcome');
  const running = new Set(production.advisories.map(keyOf));
  const rest = everything.advisories.filter((advisory) => !running.has(keyOf(advisory)));
  const findings = [
    ...production.advisories.map((advisory) => judge(advisory, 'production', allowList.accepted)),
    ...rest.map((advisory) => judge(advisory, 'development', allowList.accepted)),
  ];
  const lines = [...problems, ...findings, ...idle(everything.advisories, allowList.accepted)];
  const failures = lines.filter((line) => line.startsWith('FAIL')).length;
  const summary = `known weaknesses: ${findings.length} in ${everything.packages} packages; reasons to fail: ${failures}`;
  return { lines: [...lines, `CHECKED  ${summary}`], exitCode: failures > 0 ? 1 : 0 };
}

/** A mirror may answer every audit with an empty report. */
function sighted(probe: AuditAnswer): AuditAnswer {
  if (probe.kind !== 'checked' || probe.advisories.length > 0) return probe;
  return { kind: 'not_checked', why: 'the registry reports nothing of a package that is known to be vulnerable' };
}

function judge(advisory: Advisory, use: Use, accepted: readonly Accepted[]): string {
  const { id, package: name, severity, range, title } = advisory;
  const row = accepted.find((one) => covers(one, advisory));
  const text = `${use}  ${severity}  ${id}  ${oneLine(`${name} ${range}  ${title}`)}`;
  if (row !== undefined) return `ALLOWED  ${text}  until ${row.expires}: ${oneLine(row.reason)}`;
  return severities.indexOf(severity) >= severities.indexOf(limits[use]) ? `FAIL  ${text}` : `NOTED  ${text}`;
}

/** Rows that nothing needs any more; they do not fail, since an update of one package may have been the reason. */
function idle(advisories: readonly Advisory[], accepted: readonly Accepted[]): string[] {
  return accepted
    .filter((row) => !advisories.some((advisory) => covers(row, advisory)))
    .map((row) => `NOTED  the allow list has ${row.advisory} of ${row.package}, which is not found any more`);
}

function covers(row: Accepted, advisory: Advisory): boolean {
  return row.advisory === advisory.id && row.package === advisory.package;
}

function keyOf({ id, package: name }: Advisory): string {
  return `${id} ${name}`;
}

/** A title is somebody else's text: it ends up in a log, where one finding is one line. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');
}
