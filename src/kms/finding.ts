/** What a check of a key found: one line of `keyproxy validate`. */

/** One thing that was looked at. */
export interface Finding {
  /** What was looked at, as a statement that holds where the verdict is `ok`. */
  readonly step: string;
  /** `warning`: keyproxy works, but a feature does not, or something is less safe than it could be. */
  readonly verdict: 'ok' | 'warning' | 'failed';
  /** What it means and what to change; never the provider's own text. */
  readonly advice?: string;
}
