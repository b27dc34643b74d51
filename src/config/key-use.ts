/** The part of a tenant's file that says how its key is used: for how long, how often, and what is read. */
import { byDefault, group, section } from './shape.ts';
import { choice, flag, integer } from './values.ts';

const cacheConfig = section({
  ttl_seconds: byDefault(integer(0, 604_800, 'seconds'), 86_400, 'How long a data key is kept; 0 turns caching off.'),
  max_entries: byDefault(integer(1, 1_000_000), 1000, "The tenant's share of the cache, in data keys."),
  warm_start: byDefault(
    flag,
    false,
    'Whether data keys that were in use before a restart are unwrapped again after it, behind the calls of those who ' +
      "wait. Only their wrapped forms are written down. Needs `state.directory` in the daemon's file.",
  ),
});

/** The keys of `encryption` that stand beside the key itself. */
export const keyUse = {
  key_rotation: group(
    section({
      enabled: byDefault(flag, true, 'Whether data keys are replaced after the interval.'),
      interval_days: byDefault(
        integer(1, 3650, 'days'),
        90,
        'Age at which new data is encrypted under a new root key.',
      ),
    }),
    'When keys are replaced.',
  ),
  cache_config: group(cacheConfig, 'How long and how many unwrapped data keys are kept in memory.'),
  dek: group(
    section({
      source: byDefault(
        choice(['derived', 'kms']),
        'derived',
        '`derived`: from a cached root key, without a call; `kms`: every data key straight from the key service.',
      ),
    }),
    'Where data keys come from when the caller does not say.',
  ),
  decrypt: group(
    section({
      foreign: byDefault(
        flag,
        false,
        'Whether messages that an official SDK wrote, without a tenant in them, may be opened. Only for a key that no other tenant uses.',
      ),
      suites: byDefault(
        choice(['committing', 'all']),
        'committing',
        'Which algorithm suites are read: those that commit to their key, or all.',
      ),
    }),
    'What may be decrypted beside what keyproxy wrote.',
  ),
  canary: group(
    section({
      interval_seconds: byDefault(
        integer(10, 300, 'seconds'),
        60,
        "While data keys are cached, the key's service is asked at least this often whether the key may still be used, " +
          'unless calls have just shown it; a no wipes them. Also the longest time for which an answer counts where ' +
          'data keys are wrapped without a call: RSA keys of Azure and Google.',
      ),
    }),
    'How often the key service is asked whether the key may still be used.',
  ),
  limits: group(
    section({
      kms_calls_per_second: byDefault(integer(1, 100_000), 50, "Calls to one key's service in any second."),
      kms_concurrency: byDefault(integer(1, 10_000), 16, "Calls to one key's service under way at a time."),
      kms_timeout_ms: byDefault(integer(100, 60_000, 'milliseconds'), 2000, 'How long one call may take.'),
      max_unproven_seconds: byDefault(
        integer(60, 2_592_000, 'seconds'),
        86_400,
        'How long cached keys serve while the key service cannot be asked; then nothing is served until it answers.',
      ),
    }),
    "What protects the customer's request quota.",
  ),
  audit: group(
    section({
      log_all_operations: byDefault(
        flag,
        true,
        'Whether operations that succeed are recorded, and every beginning. Without, only denials and failures are.',
      ),
      alert_on_failures: byDefault(
        flag,
        true,
        "Whether an operation that fails by no mistake of the caller's, or on data that does not open, is a line with " +
          '`alert` in the log, and counts in `keyproxy_alerts_total`.',
      ),
    }),
    'What is recorded.',
  ),
};
