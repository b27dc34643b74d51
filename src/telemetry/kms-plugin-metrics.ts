/** What a KMS plugin shows beside the metrics of the data plane. Names are contracts (docs/metrics.md). */
import { Gauge, Registry } from 'prom-client';

/** Makes them, in `registry`. `healthy` is asked at each scrape. */
export function createKmsPluginMetrics(sources: { healthy(): boolean }, registry = new Registry()) {
  const registers = [registry];
  return {
    registry,
    healthy: new Gauge({
      registers,
      name: 'keyproxy_kms_plugin_healthy',
      help: "1 where the status for kube-apiserver is ok; 0 where something stands against the use of the cluster's key.",
      collect() {
        this.set(sources.healthy() ? 1 : 0);
      },
    }),
  };
}
