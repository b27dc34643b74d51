/** The Dockerfile as data: its stages with their steps, read by a parser that nobody here wrote. */
import {
  DockerfileParser,
  Healthcheck,
  type Instruction,
  JSONInstruction,
  ModifiableInstruction,
} from 'dockerfile-ast';
import { readPage } from '../pages.ts';

/** One instruction. */
export interface Step {
  readonly keyword: string;
  /** `--from=build` and the like, by name. */
  readonly flags: Readonly<Record<string, string>>;
  /** What is left of its line, continued lines put together. */
  readonly text: string;
  /** The words of the exec form (`["node", "x.js"]`); undefined for the form that a shell reads. */
  readonly exec: readonly string[] | undefined;
}

export interface Stage {
  /** Empty for the last one, which is the image. */
  readonly name: string;
  /** Image or stage that it begins with, variables filled in. */
  readonly base: string;
  readonly steps: readonly Step[];
}

export interface DockerfileModel {
  /** Defaults of arguments that stand before the first stage. */
  readonly args: Readonly<Record<string, string>>;
  readonly stages: readonly Stage[];
}

/** Reads the project's Dockerfile. Throws where it has no stage. */
export function readDockerfile(): DockerfileModel {
  const args: Record<string, string> = {};
  const stages: { name: string; base: string; steps: Step[] }[] = [];
  for (const instruction of DockerfileParser.parse(readPage('Dockerfile')).getInstructions()) {
    const step = stepOf(instruction);
    const stage = stages.at(-1);
    if (step.keyword === 'FROM') {
      const [image = '', , name = ''] = step.text.split(/\s+/);
      stages.push({ base: image.replace(/\$\{(\w+)\}/, (_, arg: string) => args[arg] ?? ''), name, steps: [] });
    } else if (stage === undefined) {
      const [name = '', value = ''] = step.text.split('=');
      args[name] = value;
    } else stage.steps.push(step);
  }
  if (stages.length === 0) throw new Error('the Dockerfile has no stage');
  return { args, stages };
}

function stepOf(instruction: Instruction): Step {
  const flags = instruction instanceof ModifiableInstruction ? instruction.getFlags() : [];
  const words = instruction.getArguments().map((word) => word.getValue());
  return {
    keyword: instruction.getKeyword(),
    flags: Object.fromEntries(flags.map((flag) => [flag.getName(), flag.getValue() ?? ''])),
    text: words.join(' '),
    exec: execOf(instruction, words),
  };
}

function execOf(instruction: Instruction, words: readonly string[]): readonly string[] | undefined {
  if (instruction instanceof Healthcheck && words[0] === 'CMD') return JSON.parse(words.slice(1).join(' '));
  const strings = instruction instanceof JSONInstruction ? instruction.getJSONStrings() : [];
  return strings.length === 0 ? undefined : strings.map((word) => word.getJSONValue());
}

/** The stage of this name; the image is the last one, named ''. Throws where there is none. */
export function stageOf({ stages }: DockerfileModel, name: string): Stage {
  const stage = stages.find((one) => one.name === name);
  if (stage === undefined) throw new Error(`the Dockerfile has no stage "${name}"`);
  return stage;
}

/** The steps of this kind, in order. */
export function stepsOf({ steps }: Stage, keyword: string): Step[] {
  return steps.filter((step) => step.keyword === keyword);
}
