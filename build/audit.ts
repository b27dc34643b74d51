/**
 * `npm run audit`: known weaknesses of the dependencies, against the list of those that were reviewed
 * (audit-allow-list.json). One line a finding. `--strict` also fails where nothing could be checked.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { readAllowList } from './audit-allow-list.ts';
import { type AuditAnswer, readAuditAnswer } from './audit-report.ts';
import { verdictOf } from './audit-verdict.ts';

const root = resolve(import.meta.dirname, '..');

/** Since 2022 GHSA-xvch-5gv4-984h is known of this one, a critical weakness. */
const vulnerable = { name: 'minimist', version: '0.0.8' };

/**
 * What a user's own settings must not change. Offline, npm reports no weakness and calls it a success; an `omit` would
 * hide some.
 */
const settings = ['--json', '--offline=false', '--prefer-offline=false', '--fetch-retries=1', '--fetch-timeout=30000'];
/** The longest that one audit may take. */
const timeoutMs = 180_000;

/** Runs npm in `folder`. Its exit code says the same as its report, so only the report counts. */
function audit(folder: string, ...flags: readonly string[]): Promise<AuditAnswer> {
  const args = ['audit', ...settings, ...flags];
  return new Promise((done) => {
    execFile('npm', args, { cwd: folder, timeout: timeoutMs, maxBuffer: 2 ** 26 }, (error, stdout) => {
      if (error?.killed) return done({ kind: 'not_checked', why: 'npm audit took too long' });
      done(readAuditAnswer(stdout));
    });
  });
}

/** An audit of a project that asks for one vulnerable package; nothing is installed. */
async function probe(): Promise<AuditAnswer> {
  const folder = await mkdtemp(join(tmpdir(), 'keyproxy-audit-'));
  const asked = { name: 'probe', version: '1.0.0', dependencies: { [vulnerable.name]: vulnerable.version } };
  const packages = { '': asked, [`node_modules/${vulnerable.name}`]: { version: vulnerable.version } };
  try {
    await writeFile(join(folder, 'package.json'), JSON.stringify(asked));
    const lock = { name: asked.name, version: asked.version, lockfileVersion: 3, requires: true, packages };
    await writeFile(join(folder, 'package-lock.json'), JSON.stringify(lock));
    return await audit(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const known = await probe();
const all = ['--include=prod', '--include=optional', '--include=peer'];
/** An audit of keyproxy; where the probe came to nothing, so would this, and the probe has said why. */
const ours = (flag: string) => (known.kind === 'checked' ? audit(root, ...all, flag) : known);
const { lines, exitCode } = verdictOf({
  probe: known,
  production: await ours('--omit=dev'),
  everything: await ours('--include=dev'),
  allowList: readAllowList(await readFile(join(import.meta.dirname, 'audit-allow-list.json'), 'utf8'), new Date()),
  strict: process.argv.includes('--strict'),
});
process.stdout.write(`${lines.join('\n')}\n`);
process.exitCode = exitCode;
