/**
 * Quantities of Kubernetes, `250m` or `96Mi`
 * (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/). Only what makes sense for a
 * container's resources is taken: not negative, and no more than one suffix.
 */

/** The rule, for messages. */
export const quantityRule = 'a quantity of Kubernetes such as 250m, 1, 96Mi or 1Gi';

const form = /^(\d{1,15})(?:\.(\d{1,9}))?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|e\d{1,2})?$/;

/** Nine places behind the point, and three more with the suffix `m`. */
const places = 9;
const milli = 1000n;

/** What one is with a suffix, in thousandths. */
const factors: Readonly<Record<string, bigint>> = {
  ...{ m: 1n, k: milli * 10n ** 3n, M: milli * 10n ** 6n, G: milli * 10n ** 9n },
  ...{ T: milli * 10n ** 12n, P: milli * 10n ** 15n, E: milli * 10n ** 18n },
  ...{ Ki: milli << 10n, Mi: milli << 20n, Gi: milli << 30n, Ti: milli << 40n, Pi: milli << 50n, Ei: milli << 60n },
};

/** How much a quantity is, exactly, in units of 10^-12, for comparisons; undefined where it is none. */
export function quantityOf(text: string): bigint | undefined {
  const [, whole, part = '', suffix = ''] = form.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const digits = BigInt(`${whole}${part.padEnd(places, '0')}`);
  if (suffix.startsWith('e')) return digits * milli * 10n ** BigInt(suffix.slice(1));
  return digits * (factors[suffix] ?? milli);
}

/** Whether more would be requested than the limit allows; where no limit is, never. */
export function isOverLimit(request: string | undefined, limit: string | undefined): boolean {
  const [least, most] = [quantityOf(request ?? '0') ?? 0n, quantityOf(limit ?? '')];
  return most !== undefined && least > most;
}
