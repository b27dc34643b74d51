/**
 * The life of `keyproxy serve`, and of `keyproxy kms-plugin`: read, build, serve, drain. Every address is printed at the
 * start.
 */
import type { DaemonConfig } from '../config/daemon-file.ts';
import { type ConfigProblem, describeProblem } from '../config/problem.ts';
import { createLog, type Log } from '../telemetry/log.ts';
import { type DataPlane, type Offer, startDataPlane } from './serve.ts';
import { logProblems, openTenantFeed } from './tenant-source.ts';
import { version } from './version.ts';

export interface RunOptions {
  readonly config: DaemonConfig;
  readonly warnings: readonly ConfigProblem[];
  readonly isDevelopment: boolean;
  /** What is offered; what applications call, where nothing is given. */
  readonly offer?: Offer;
  /** Called once calls are welcome. */
  readonly onServing: () => void;
  /** Resolves with the name of the signal that ends it. */
  readonly untilSignal: () => Promise<string>;
}

/**
 * Serves until the signal, then drains. Throws a ConfigError before anything is bound, a StartupError where an address
 * cannot be had.
 */
export async function runDataPlane(options: RunOptions): Promise<void> {
  const { config } = options;
  const log = createLog(config.logLevel);
  for (const warning of options.warnings) {
    log.warn({ problem: describeProblem(warning) }, 'a setting does not do what it says');
  }
  const ending = options.untilSignal();
  const feed = await openTenantFeed(config);
  const plane = await startDataPlane(config, log, options.offer);
  try {
    await using _watch = feed.attach(plane, log);
    plane.open();
    logProblems(feed.problems, log);
    announce(options, plane, log);
    options.onServing();
    warmUp(plane, log);
    log.info({ signal: await ending }, 'keyproxy is stopping');
  } finally {
    await plane.drain();
  }
  log.info('keyproxy has stopped');
}

function announce({ config, isDevelopment }: RunOptions, plane: DataPlane, log: Log): void {
  const listen = config.listen.map((entry) =>
    entry.kind === 'unix' ? `unix:${entry.path}` : `${entry.host}:${entry.port}`,
  );
  const http = `${config.http.host ?? '*'}:${config.http.port}`;
  if (isDevelopment) {
    log.warn('development mode: the key is a file on this disk and whoever is on this machine may call');
  }
  if (config.listen.some((entry) => entry.identity.includes('insecure_loopback'))) {
    log.warn('a TCP listener takes anonymous callers: whoever is on this machine may call');
  }
  const { environment } = config;
  log.info(
    { version, node: process.version, environment, listen, http, tenants: plane.registry.size },
    'keyproxy is serving',
  );
}

/** Opens every tenant's keys off the request path, so that the first call does not load a vendor's SDK. */
function warmUp(plane: DataPlane, log: Log): void {
  setImmediate(async () => {
    for (const tenant of [...plane.registry.all()]) {
      if (!tenant.isServed) continue;
      await tenant.keys().catch(() => {
        log.error({ tenant: tenant.id }, "a tenant's key could not be opened; calls for it fail until it can");
      });
    }
  });
}
