/**
 * The entry of the AWS provider. Load it with `import()` when the first tenant needs it: this folder alone brings the
 * AWS SDK into the process.
 */
import type { Clock } from '../../base/clock.ts';
import type { AwsKeyConfig } from '../key-config.ts';
import type { KeyService } from '../key-service.ts';
import { type AwsCredentialOptions, AwsCredentials } from './credentials.ts';
import { readFacts } from './facts.ts';
import { type InspectedKey, inspectKey } from './inspection.ts';
import { AwsKey } from './key.ts';
import { KmsCalls } from './kms-calls.ts';
import { inspectingPolicy, namingPolicy, servingPolicy } from './session-policy.ts';

/** What a key needs beside its configuration. */
export interface AwsRuntime {
  readonly clock: Clock;
  /** Whose key it is; becomes part of the session name and of the scope that credentials are shared in. */
  readonly tenantId: string;
  /** How long one call may take, in milliseconds. */
  readonly timeoutMs: number;
  /** The process's one source of credentials; stays the caller's, and has to outlive the key. */
  readonly credentials: AwsCredentials;
}

/** Opens the source of credentials that all AWS keys of a process share. Asks nobody for anything yet. */
export function openAwsCredentials(options: AwsCredentialOptions): AwsCredentials {
  return new AwsCredentials(options);
}

/**
 * Opens a key. Asks nobody for anything yet: what is wrong with key, role or network shows with the first call. Calls
 * are not repeated, but for stale credentials; `withRetries` does that.
 */
export function openAwsKey(config: AwsKeyConfig, runtime: AwsRuntime): KeyService {
  const calls = callsUnder(servingPolicy(config.keyArn), config, runtime);
  return new AwsKey(config.keyArn, calls, {
    inspect: (service, request) => inspectKey({ ...inspected(config, runtime), service, calls }, request),
    readFacts: async (call) => {
      using reader = callsUnder(namingPolicy(config.keyArn), config, runtime);
      return await readFacts(config.keyArn, reader, call);
    },
  });
}

/** Calls to a key, where a role stands in front of it in a session that `policy` narrows. */
function callsUnder(policy: string, config: AwsKeyConfig, runtime: AwsRuntime): KmsCalls {
  const { clock, timeoutMs, credentials, tenantId } = runtime;
  const { region, role } = config;
  const lease = credentials.lease({ tenantId, region, ...(role !== undefined && { role: { ...role, policy } }) });
  return new KmsCalls(config, { clock, timeoutMs, lease });
}

function inspected(config: AwsKeyConfig, runtime: AwsRuntime): Omit<InspectedKey, 'service' | 'calls'> {
  const { credentials, tenantId } = runtime;
  const { keyArn, region, role } = config;
  return {
    config,
    tenantId,
    openReader: () => callsUnder(inspectingPolicy(keyArn), config, runtime),
    ...(role !== undefined && {
      role: {
        arn: role.arn,
        wouldAssume: (given) => credentials.wouldAssume({ tenantId, region, arn: role.arn }, given),
      },
    }),
  };
}
