/**
 * Quantities of Kubernetes, `250m` or `96Mi`
 * (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/). Only what makes sense for a
 * container's resources is taken: not negative, and no more than one suffix.
 */

/** The rule, for messages. */
export const quantityRule = 'a quantity of Kubernetes such as 250m, 1, 96Mi or 1Gi';

const form = /^(\d{1,15}(?:\.\d{1,9})?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|e\d{1,2})?$/;

const factors: Readonly<Record<string, number>> = {
  ...{ m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60 },
};

/** How much a quantity is, for comparisons; undefined where it is none. */
export function quantityOf(text: string): number | undefined {
  const [, digits, suffix = ''] = form.exec(text) ?? [];
  if (digits === undefined) return undefined;
  if (suffix.startsWith('e')) return Number(`${digits}${suffix}`);
  return Number(digits) * (factors[suffix] ?? 1);
}
