/** The parameters of requests to STS, with the bounds and patterns of its API reference. */
import { stsError } from './errors.ts';

interface ParameterRule {
  readonly least: number;
  readonly most: number;
  readonly pattern: RegExp;
}

const rules = {
  RoleArn: { least: 20, most: 2048, pattern: /^[!-~]+$/ },
  RoleSessionName: { least: 2, most: 64, pattern: /^[\w+=,.@-]*$/ },
  ExternalId: { least: 2, most: 1224, pattern: /^[\w+=,.@:/-]*$/ },
  Policy: { least: 1, most: 2048, pattern: /^[\s -ÿ]+$/ },
  DurationSeconds: { least: 1, most: 9, pattern: /^\d+$/ },
  WebIdentityToken: { least: 4, most: 20_000, pattern: /^[!-~]+$/ },
} as const satisfies Record<string, ParameterRule>;

const shortestSession = 900;
const longestSession = 43_200;
const defaultSession = 3600;

/** A parameter that must be there. */
export function required(parameters: URLSearchParams, name: keyof typeof rules): string {
  const value = parameter(parameters, name);
  if (value === undefined) throw invalid(name, 'not be null');
  return value;
}

/** A parameter, checked; undefined where it is absent. */
export function parameter(parameters: URLSearchParams, name: keyof typeof rules): string | undefined {
  const value = parameters.get(name);
  if (value === null) return undefined;
  const { least, most, pattern } = rules[name];
  if (value.length < least) throw invalid(name, `have length greater than or equal to ${least}`);
  if (value.length > most) throw invalid(name, `have length less than or equal to ${most}`);
  if (!pattern.test(value)) throw invalid(name, `satisfy regular expression pattern: ${pattern.source}`);
  return value;
}

/** How long a session is asked for, in seconds. */
export function duration(parameters: URLSearchParams): number {
  const seconds = Number(parameter(parameters, 'DurationSeconds') ?? defaultSession);
  if (seconds < shortestSession)
    throw invalid('DurationSeconds', `have value greater than or equal to ${shortestSession}`);
  if (seconds > longestSession) throw invalid('DurationSeconds', `have value less than or equal to ${longestSession}`);
  return seconds;
}

function invalid(name: string, rule: string): Error {
  const field = name.charAt(0).toLowerCase() + name.slice(1);
  return stsError(
    'ValidationError',
    `1 validation error detected: Value at '${field}' failed to satisfy constraint: Member must ${rule}`,
  );
}
