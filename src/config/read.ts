/** Brings a tree and a shape together: where problems go, and which are worth telling. */
import type { ProblemCollector } from './problem.ts';
import type { Report, Shape } from './shape.ts';
import type { Position } from './tree.ts';
import type { YamlFile } from './yaml-tree.ts';

/** Problems of environment variables are reported under this name, without a line. */
export const environmentFile = 'environment';

/** Reads `yaml` as `shape`; the value is undefined where a problem was found. */
export function readShape<T>(
  yaml: YamlFile,
  shape: Shape<T>,
  options: { file: string; collector: ProblemCollector },
): T | undefined {
  const { file, collector } = options;
  const sound = (at: Position) => !('line' in at) || at.line < yaml.soundUntil;
  const place = (at: Position, path: string) =>
    'line' in at ? { file, ...at, path } : { file: environmentFile, line: 0, path: at.variable };
  const report: Report = {
    problem(at, path, message) {
      if (sound(at)) collector.problem({ ...place(at, path), message });
    },
    missing(at, path, message) {
      // A key that is missing behind a syntax error may stand in the part that could not be read.
      if (yaml.soundUntil === Number.POSITIVE_INFINITY) collector.problem({ ...place(at, path), message });
    },
    warning: (at, path, message) => collector.warning({ ...place(at, path), message }),
  };
  return shape.read({ tree: yaml.root, at: yaml.root.at, path: '', report });
}
