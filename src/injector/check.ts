/**
 * The second look, after all webhooks that change pods: a pod that asks for keyproxy and is about to be stored without it.
 * The injector is not asked about a pod whose label another webhook adds after its turn, nor about a label that is put on
 * a pod that runs already; and what it has added, a later webhook can take away.
 */
import { type Decision, decide } from './inject.ts';
import { textAt } from './json.ts';
import { injectLabel } from './names.ts';
import type { SidecarSettings } from './settings.ts';

/** What becomes of a pod that can no longer be changed. */
export type Verdict = Exclude<Decision, { kind: 'injected' }>;

const passed: Verdict = { kind: 'unchanged', warnings: [] };

/** About a pod that is created: it has all of keyproxy, or does not ask for it, or is refused. Pure. */
export function checkNew(pod: unknown, settings: SidecarSettings): Verdict {
  const decision = decide(pod, settings);
  if (decision.kind === 'unchanged') return passed;
  if (decision.kind === 'refused') return { ...decision, warnings: [] };
  const message = `the pod asks for keyproxy and does not have all of it: another webhook has added the label after keyproxy's was asked, or has taken away or added something since; set the label where the pod is described, or correct that webhook (label ${injectLabel}: "true")`;
  return { kind: 'refused', message, warnings: [] };
}

/**
 * About a pod that is changed: the label may come to a pod that has all of keyproxy, and to no other. What had the label
 * before passes, whatever it lacks: somebody may be taking its finalizers away.
 */
export function checkChanged(
  { pod, before }: { readonly pod: unknown; readonly before: unknown },
  settings: SidecarSettings,
): Verdict {
  if (asks(before) || decide(pod, settings).kind === 'unchanged') return passed;
  const message = `keyproxy cannot be put into a pod that is there already; create it anew with the label ${injectLabel}: "true"`;
  return { kind: 'refused', message, warnings: [] };
}

/** About a binding, whose labels its pod gets: the label cannot come that way. */
export function checkBinding(binding: unknown): Verdict {
  if (!asks(binding)) return passed;
  const message = `a binding puts keyproxy into no pod: leave the label out of it, and create the pod with ${injectLabel}: "true"`;
  return { kind: 'refused', message, warnings: [] };
}

function asks(object: unknown): boolean {
  return textAt(object, 'metadata', 'labels', injectLabel) === 'true';
}
