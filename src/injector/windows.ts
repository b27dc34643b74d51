/** Whether a pod is for Windows, by each of the ways in which it can say so. */
import { at, objectsAt, textAt } from './json.ts';

/** The label of nodes, and its name before Kubernetes 1.14. */
const labels = ['kubernetes.io/os', 'beta.kubernetes.io/os'] as const;

export function isForWindows(pod: unknown): boolean {
  // A pod may go where one of the terms holds.
  const terms = objectsAt(
    ...[pod, 'spec', 'affinity', 'nodeAffinity'],
    ...['requiredDuringSchedulingIgnoredDuringExecution', 'nodeSelectorTerms'],
  );
  return (
    textAt(pod, 'spec', 'os', 'name') === 'windows' ||
    labels.some((label) => textAt(pod, 'spec', 'nodeSelector', label) === 'windows') ||
    (terms.length > 0 && terms.every((term) => objectsAt(term, 'matchExpressions').some(wantsWindows)))
  );
}

function wantsWindows(expression: unknown): boolean {
  const values = at(expression, 'values');
  return (
    labels.some((label) => label === at(expression, 'key')) &&
    at(expression, 'operator') === 'In' &&
    Array.isArray(values) &&
    values.length > 0 &&
    values.every((value) => value === 'windows')
  );
}
