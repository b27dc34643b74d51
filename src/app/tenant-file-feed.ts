/** The one tenant of a plane that has but one: read from its file at the start, and again whenever that changes. */
import { type Clock, systemClock } from '../base/clock.ts';
import { keepLooking } from '../base/looks.ts';
import { readConfigFile } from '../config/file.ts';
import type { TenantFileOptions } from '../config/key-block.ts';
import { ConfigError, type ConfigProblem } from '../config/problem.ts';
import { parseTenantFile, type TenantConfig } from '../config/tenant-file.ts';

/** Between two looks at the file, in milliseconds. */
const lookMs = 2_000;

/** When the next look is due. */
const nextLook = () => lookMs;

/** What a look has found that is not as before. */
export type TenantFileChange =
  | { readonly kind: 'changed'; readonly config: TenantConfig }
  /** The last good version stays. */
  | { readonly kind: 'bad'; readonly problems: readonly ConfigProblem[] };

export interface TenantFileOpened {
  readonly config: TenantConfig;
  /** Follows the file until it is disposed of. Whoever throws at a change hears of it again. */
  watch(onChange: (change: TenantFileChange) => void, clock?: Clock): Disposable;
}

/** Reads the file. Throws a ConfigError. */
export async function openTenantFile(path: string, options: TenantFileOptions): Promise<TenantFileOpened> {
  const seen = await readConfigFile(path);
  const config = tenantOf(seen, path, options);
  return {
    config,
    watch(onChange, clock = systemClock) {
      const { tenantId } = config;
      const work = look(path, { ...options, seen, tenantId, onChange });
      // What goes wrong in a look comes again with the next one.
      const again = () => work().then(nextLook, nextLook);
      return keepLooking({ clock, firstMs: lookMs, look: again });
    },
  };
}

interface LookOptions extends TenantFileOptions {
  readonly seen: string;
  readonly tenantId: string;
  readonly onChange: (change: TenantFileChange) => void;
}

/** Makes what looks at the file once. What is wrong is told once for each version of the file. */
function look(path: string, options: LookOptions): () => Promise<void> {
  let { seen } = options;
  return async () => {
    const version = await readConfigFile(path).catch((error: unknown) => error);
    const name = typeof version === 'string' ? version : `unreadable: ${String(version)}`;
    if (name === seen) return;
    try {
      if (typeof version !== 'string') throw version;
      const config = tenantOf(version, path, options);
      if (config.tenantId !== options.tenantId) throw new ConfigError([movedTo(path)]);
      options.onChange({ kind: 'changed', config });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      options.onChange({ kind: 'bad', problems: error.problems });
    }
    seen = name;
  };
}

function movedTo(file: string): ConfigProblem {
  const message =
    'is another tenant, and what was encrypted before is bound to the one that it was; put the old name back';
  return { file, line: 0, path: 'tenant_id', message };
}

function tenantOf(text: string, path: string, options: TenantFileOptions): TenantConfig {
  const { config, problems } = parseTenantFile(text, path, options);
  if (config === undefined) throw new ConfigError(problems);
  return config;
}
