/**
 * The table of faults: for an Unwrap of a data key that the key service made, every state of a tenant, every state of the
 * cache and every answer of the key service, and what follows from the three. The rules are those of docs/revocation.md,
 * written down a second time and without a look at the code.
 *
 * A cell is: the state is brought about, the service begins to give the answer, one Unwrap is made. Where no call may be
 * made for that, the canary's next question belongs to the cell, since it is what the answer reaches the daemon by.
 */

export const tenantStates = ['active', 'refused', 'unproven'] as const;
export const cacheStates = ['absent', 'fresh', 'due', 'expired', 'off'] as const;

/** What a state of the tenant follows from: what the service says of the key as a whole. */
type Meaning = 'yes' | 'no' | 'silence' | 'unclear' | 'nothing';

interface AnswerTraits {
  readonly meaning: Meaning;
  /** What a call ends with that gets this answer. */
  readonly reason: string;
  /** Whether it may be one to this call alone, so that the canary is asked. */
  readonly asksCanary: boolean;
  /** Whether a canary that gets it is made anew, and then something else is opened in its place. */
  readonly isTriedAgain: boolean;
}

const [plain, asking] = [
  { asksCanary: false, isTriedAgain: false },
  { asksCanary: true, isTriedAgain: false },
];
const silence = { meaning: 'silence', reason: 'KEY_SERVICE_UNAVAILABLE', ...plain } as const;

/** Every answer. A refusal of this call is given to every call here: the customer takes the permission away. */
export const answers = {
  ok: { meaning: 'yes', reason: 'ok', ...plain },
  denied: { meaning: 'no', reason: 'KEY_ACCESS_DENIED', asksCanary: true, isTriedAgain: true },
  disabled: { meaning: 'no', reason: 'KEY_DISABLED', ...plain },
  'role denied': { meaning: 'no', reason: 'ROLE_DENIED', ...plain },
  reset: silence,
  hang: silence,
  internal: silence,
  throttled: { ...silence, reason: 'KEY_SERVICE_THROTTLED' },
  'invalid state': { meaning: 'unclear', reason: 'KEY_STATE_INVALID', ...asking },
  'not found': { meaning: 'unclear', reason: 'KEY_NOT_FOUND', ...asking },
  data: { meaning: 'nothing', reason: 'DECRYPT_FAILED', asksCanary: false, isTriedAgain: true },
  config: { meaning: 'nothing', reason: 'KEY_UNSUITABLE', asksCanary: false, isTriedAgain: true },
} as const satisfies Record<string, AnswerTraits>;

export type AnswerKind = keyof typeof answers;
export const answerKinds = Object.keys(answers) as AnswerKind[];

export interface Cell {
  readonly tenant: (typeof tenantStates)[number];
  readonly cache: (typeof cacheStates)[number];
  readonly answer: AnswerKind;
}

export interface CellOutcome {
  /** `ok`, or the reason of the failure. */
  readonly result: string;
  /** What DescribeTenant says afterwards: the state, and the reason where there is one. */
  readonly described: string;
  /** Whether the data key is in the cache afterwards. */
  readonly isCached: boolean;
}

/** Calls to a key's service, failures included. */
export interface Calls {
  readonly unwrap: number;
  readonly generate: number;
}

/** By which ways the key's service is asked in a cell. */
export interface CellQuestions {
  /** An unwrap for the caller, or for the renewal of what the caller got: repeated after an outage. */
  readonly isUnwrapped: boolean;
  /** The canary: asked once. */
  readonly isCanaryAsked: boolean;
}

export const allCells: readonly Cell[] = tenantStates.flatMap((tenant) =>
  cacheStates.flatMap((cache) => answerKinds.map((answer): Cell => ({ tenant, cache, answer }))),
);

/** Why there is no such cell; undefined where there is one. */
export function whyImpossible({ tenant, cache }: Cell): string | undefined {
  if (tenant === 'refused' && isHeld(cache)) {
    return 'a no wipes all that is cached, and nothing is kept that was asked for before it';
  }
  return undefined;
}

/** What a cell leads to. */
export function outcomeOf(cell: Cell): CellOutcome {
  const { tenant, cache } = cell;
  const { meaning, reason } = traitsOf(cell);
  const held = isHeld(cache);
  switch (tenant) {
    case 'refused':
      return {
        result: 'KEY_DISABLED',
        described: meaning === 'yes' ? 'active' : 'refused KEY_DISABLED',
        isCached: false,
      };
    case 'unproven':
      return {
        result: 'KEY_UNPROVEN',
        described: meaning === 'yes' ? 'active' : meaning === 'no' ? `refused ${reason}` : 'active KEY_UNPROVEN',
        isCached: held && meaning !== 'no',
      };
    case 'active': {
      const isHeard = cache !== 'fresh';
      const isWiped = isHeard && meaning === 'no';
      return {
        result: held ? 'ok' : reason,
        described: isWiped ? `refused ${reason}` : 'active',
        isCached: !isWiped && (held || (meaning === 'yes' && cache !== 'off')),
      };
    }
  }
}

/** Which questions a cell asks. */
export function questionsOf(cell: Cell): CellQuestions {
  const isUnwrapped = cell.tenant === 'active' && cell.cache !== 'fresh';
  return { isUnwrapped, isCanaryAsked: cell.tenant !== 'active' || (isUnwrapped && traitsOf(cell).asksCanary) };
}

/**
 * The calls of one question to the canary. One that there is, is opened; where none is, one is made and opened. What may
 * be at fault itself is gone around: by one that is made anew, by what was wrapped for data under each of its `contexts`,
 * and by something that is made in the same way as that.
 */
export function canaryCalls(answer: AnswerKind, isMade: boolean, contexts = 1): Calls {
  const made = isMade ? 1 : 0;
  if (!answers[answer].isTriedAgain) {
    return isMade ? { unwrap: 1, generate: 0 } : { unwrap: answer === 'ok' ? 1 : 0, generate: 1 };
  }
  // What is wrong with data alone does not keep a canary from being made, only from being opened.
  return { unwrap: made + (answer === 'data' ? 1 + 2 * contexts : contexts), generate: 1 + contexts };
}

export function nameOf({ tenant, cache, answer }: Cell): string {
  return `${tenant}, ${cache}, ${answer}`;
}

function traitsOf({ answer }: Cell): AnswerTraits {
  return answers[answer];
}

function isHeld(cache: Cell['cache']): boolean {
  return cache === 'fresh' || cache === 'due';
}
