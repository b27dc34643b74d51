/**
 * Where an execution leaves its traces: a counter for each branch of the code under test, and after those one for each
 * thing that a target thinks worth telling apart. Instrumented code finds the map by its name on the global object.
 */

/** Counters for branches; what targets tell comes after them. */
export const branchSlots = 4096;
const featureSlots = 8192;

/** One counter each, which wraps. */
export const map = new Uint8Array(branchSlots + featureSlots);

/** The name by which instrumented code finds the map. */
export const mapName = '__keyproxyFuzzMap';

Object.defineProperty(globalThis, mapName, { value: map, configurable: true });

/** Tells of something that happened: inputs that make new things happen are kept. */
export function feature(kind: number, a: number, b = 0): void {
  const hash = Math.imul(Math.imul(kind + 1, 0x9e3779b1) ^ (a + 1), 0x85ebca6b) ^ Math.imul(b + 1, 0xc2b2ae35);
  const slot = branchSlots + ((hash ^ (hash >>> 15)) & (featureSlots - 1));
  map[slot] = (map[slot] ?? 0) + 1;
}
