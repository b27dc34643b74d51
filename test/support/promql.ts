/** What a query of PromQL asks for, by Prometheus' own grammar. */
import { parser } from '@prometheus-io/lezer-promql';

/** `label="value"`, or with another operator. */
interface Matcher {
  readonly label: string;
  readonly operator: string;
  readonly value: string;
}

/** A metric, and which of its series. */
interface Selector {
  readonly metric: string;
  readonly matchers: readonly Matcher[];
}

/** What a query names. */
export interface Query {
  readonly selectors: readonly Selector[];
  /** Labels of `by`, `on` and the like. */
  readonly grouping: readonly string[];
}

type Node = ReturnType<typeof parser.parse>['topNode'];

/** Reads a query. Throws, with the place, where the grammar does not take it. */
export function readQuery(query: string): Query {
  const { topNode } = parser.parse(query);
  const text = ({ from, to }: Node) => query.slice(from, to);
  const nodes = all(topNode);
  const error = nodes.find((node) => node.type.isError);
  if (error !== undefined) throw new Error(`not PromQL from character ${error.from}: ${query.slice(error.from)}`);
  const matcher = (node: Node): Matcher => {
    const [label = '', operator = '', value = ''] = children(node).map(text);
    return { label, operator, value: JSON.parse(value) };
  };
  return {
    selectors: nodes
      .filter(({ name }) => name === 'VectorSelector')
      .map((node) => ({
        metric: text(node.getChild('Identifier') ?? node),
        matchers: all(node)
          .filter(({ name }) => name === 'UnquotedLabelMatcher')
          .map(matcher),
      })),
    grouping: nodes.filter(({ name }) => name === 'GroupingLabels').flatMap((node) => children(node).map(text)),
  };
}

function children({ firstChild }: Node): Node[] {
  const found: Node[] = [];
  for (let node = firstChild; node !== null; node = node.nextSibling) found.push(node);
  return found;
}

function all(node: Node): Node[] {
  return [node, ...children(node).flatMap(all)];
}
