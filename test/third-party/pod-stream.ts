/** Pods that are created without end while something happens to the webhook. */
import { setTimeout as pause } from 'node:timers/promises';
import type { KubernetesClient } from './kubernetes-client.ts';
import { plainPod } from './kubernetes-release.ts';
import { createPod, outcomeOf } from './kubernetes-scene.ts';

export interface PodStream {
  /** Ends it; how many pods were created with keyproxy, and what was said of all others. */
  stop(): Promise<{ readonly injected: number; readonly failures: readonly string[] }>;
}

const [atOnce, betweenMs] = [4, 50];

/** Begins to create pods, a few at once; `between` is called when all of them are answered. */
export function startPods(admin: KubernetesClient, namespace: string, between = () => {}): PodStream {
  let [isOver, injected] = [false, 0];
  const failures: string[] = [];
  const running = (async () => {
    while (!isOver) {
      const answers = Array.from({ length: atOnce }, () => createPod(admin, namespace, plainPod));
      for (const answer of await Promise.all(answers)) {
        const outcome = outcomeOf(answer);
        if (outcome === 'injected') injected += 1;
        else failures.push(`${outcome}: ${answer.message}`);
      }
      between();
      await pause(betweenMs);
    }
  })();
  return {
    async stop() {
      isOver = true;
      await running;
      return { injected, failures };
    },
  };
}
