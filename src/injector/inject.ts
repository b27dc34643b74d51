/** Decides about one pod: what is added to it, that nothing is missing, or why it cannot be had. */
import { excessOf } from './bounds.ts';
import { textAt } from './json.ts';
import { injectLabel } from './names.ts';
import { annotationsPart, applicationsPart, joined, sidecarPart, volumesPart } from './parts.ts';
import type { Addition } from './patch.ts';
import { type Judged, refusalsOf, warningsOf } from './pod-rules.ts';
import { presentForm } from './present.ts';
import type { SidecarSettings } from './settings.ts';
import { fewOf, messageOf } from './texts.ts';
import { readWishes } from './wishes.ts';

/** What becomes of a pod. `warnings` are shown to whoever creates it. */
export type Decision =
  | { readonly kind: 'injected'; readonly patch: readonly Addition[]; readonly warnings: readonly string[] }
  | { readonly kind: 'unchanged'; readonly warnings: readonly string[] }
  /** `message` is for the pod's owner. */
  | { readonly kind: 'refused'; readonly message: string; readonly warnings: readonly string[] };

/** Decides about `pod`, a document from outside. Pure: the same pod and settings give the same decision. */
export function decide(pod: unknown, settings: SidecarSettings): Decision {
  if (textAt(pod, 'metadata', 'labels', injectLabel) !== 'true') return { kind: 'unchanged', warnings: [] };
  const excess = excessOf(pod);
  if (excess.length > 0) return refused(excess, []);
  const { wishes, problems, warnings } = readWishes(pod, settings);
  // A pod that was copied from another cluster has its sidecar as that one has them.
  const form = presentForm(pod) ?? settings.form;
  const judged: Judged = { pod, wishes, settings, form };
  // The applications come before the sidecar, whose arrival would move their places.
  const { additions, clashes } = joined([
    volumesPart(pod, wishes),
    applicationsPart(pod, wishes, form),
    sidecarPart(pod, wishes, settings),
    annotationsPart(pod, form),
  ]);
  const obstacles = [...problems, ...refusalsOf(judged), ...clashes];
  if (obstacles.length > 0) return refused(obstacles, fewOf(warnings));
  const all = fewOf([...warnings, ...warningsOf(judged)]);
  return additions.length === 0
    ? { kind: 'unchanged', warnings: all }
    : { kind: 'injected', patch: additions, warnings: all };
}

function refused(obstacles: readonly string[], warnings: readonly string[]): Decision {
  const message = messageOf('keyproxy cannot be put into this pod: ', obstacles, ` (label ${injectLabel}: "true")`);
  return { kind: 'refused', message, warnings };
}
