/** Certificates that somebody else renews: read at the start, and again when the files change. */
import type { Clock } from '../../base/clock.ts';
import { textOfError } from '../../base/system-code.ts';
import { fingerprint, readTlsFiles, type TlsPaths } from '../../identity/tls-files.ts';
import { watchTlsFiles } from '../../identity/tls-watch.ts';
import type { Log } from '../../telemetry/log.ts';
import { StartupError } from '../startup-error.ts';
import type { Issued } from './authority.ts';

export interface CertificateFilesOptions {
  readonly paths: TlsPaths;
  readonly clock: Clock;
  readonly log: Log;
  /** Takes the certificate that is served from now on; the key is wiped when it returns. */
  readonly onLeaf: (leaf: Issued) => void;
}

/** Hands the files over, and every change from then on. Throws a StartupError where they cannot be used. */
export async function openCertificateFiles({
  paths,
  clock,
  log,
  onLeaf,
}: CertificateFilesOptions): Promise<Disposable> {
  // Taken before the files are read: what changes meanwhile is seen by the first look.
  const used = await fingerprint(paths);
  try {
    using material = await readTlsFiles(paths, clock.now());
    onLeaf(material);
  } catch (error) {
    throw new StartupError(`the certificate cannot be used: ${textOfError(error)}`, error);
  }
  return watchTlsFiles({
    ...{ paths, clock, used },
    onMaterial(material) {
      onLeaf(material);
      log.info({ file: paths.cert }, 'the certificate was reloaded');
    },
    onFailed: (cause) =>
      log.error(
        { problem: textOfError(cause) },
        'the files of the certificate were not taken, the last good ones stay',
      ),
  });
}
