/** What code costs, however busy the machine is with other things. */

/** Processor time of this process since its start, in milliseconds. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
