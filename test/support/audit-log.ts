/** An audit log in a folder of its own, on a disk that does as it is told. */
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type AuditState, openAuditLog } from '../../src/audit/audit-log.ts';
import type { AuditAlarm } from '../../src/audit/failure.ts';
import { systemWrite, type WriteBytes } from '../../src/audit/output.ts';
import { type ChainReport, Verification, type VerificationOptions } from '../../src/audit/verification.ts';
import { type Clock, systemClock } from '../../src/base/clock.ts';

/** A disk that can be full, slow, or take a little at a time. */
export class MoodyDisk {
  /** Every write fails with this code. */
  code: string | undefined;
  /** No write takes more than so many bytes. */
  most = Number.POSITIVE_INFINITY;
  /** Bytes until it is full. */
  room = Number.POSITIVE_INFINITY;
  /** How often it was asked. */
  writes = 0;
  #held: PromiseWithResolvers<void> | undefined;

  /** No write ends until `release`. */
  hold(): void {
    this.#held = Promise.withResolvers();
  }

  release(): void {
    this.#held?.resolve();
    this.#held = undefined;
  }

  readonly write: WriteBytes = async (fd, bytes, offset, length) => {
    this.writes += 1;
    await this.#held?.promise;
    const code = this.room === 0 ? 'ENOSPC' : this.code;
    if (code !== undefined) throw Object.assign(new Error('the disk says no'), { code });
    const count = await systemWrite(fd, bytes, offset, Math.min(length, this.most, this.room));
    this.room -= count;
    return count;
  };
}

export interface LogScene {
  readonly path: string;
  readonly disk?: MoodyDisk;
  readonly clock?: Clock;
  readonly onFailure?: 'refuse' | 'continue';
  readonly maxFileBytes?: number;
  readonly retentionDays?: number;
}

/** Opens a log on a file, and collects its alarms. */
export async function openLog({ path, disk, ...scene }: LogScene) {
  const alarms: AuditAlarm[] = [];
  const log = await openAuditLog({
    sink: {
      kind: 'file',
      path,
      maxFileBytes: scene.maxFileBytes ?? 2 ** 30,
      retentionDays: scene.retentionDays ?? 400,
    },
    onFailure: scene.onFailure ?? 'refuse',
    clock: scene.clock ?? systemClock,
    onAlarm: (alarm) => alarms.push(alarm),
    ...(disk && { write: disk.write }),
  });
  return { log, alarms };
}

export const subject = { caller: 'socket', tenant: 't1', operation: 'Encrypt' };
export const key = { provider: 'aws_kms', keyId: 'arn:k', keyVersion: 'v1' };

/** The lines of a file, seals and all. */
export function linesIn(path: string): string[] {
  return readFileSync(path, 'latin1').split('\n').slice(0, -1);
}

/** The entries of a file, parsed, without seals. */
export function entriesIn(path: string): Readonly<Record<string, unknown>>[] {
  return linesIn(path)
    .filter((line) => line.startsWith('{"audit":1,"seq":') && line.endsWith('}'))
    .map((line) => JSON.parse(line));
}

/** What a verification finds in these lines. */
export function verified(lines: readonly string[], options: VerificationOptions = {}): ChainReport {
  const verification = new Verification(options);
  verification.file('f');
  for (const line of lines) verification.line(line);
  return verification.finish();
}

/** What a verification finds in the files of a folder, in the order of their names, the one that is written last. */
export async function verifiedFolder(folder: string, options: VerificationOptions = {}): Promise<ChainReport> {
  const verification = new Verification(options);
  const names = (await readdir(folder)).filter((name) => !name.endsWith('.lock')).sort();
  for (const name of [...names.slice(1), ...names.slice(0, 1)]) {
    verification.file(name);
    for (const line of linesIn(join(folder, name))) verification.line(line);
  }
  return verification.finish();
}

/** Counts that say how the log does. */
export function countsOf({ written, refused, lost, isFailing }: AuditState) {
  return { written, refused, lost, isFailing };
}
