import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { ApiAnswer } from '../../../src/app/injector/api-server.ts';
import { followForm } from '../../../src/app/injector/sidecar-form.ts';
import { systemClock } from '../../../src/base/clock.ts';
import type { Form } from '../../../src/injector/settings.ts';

/** Follows an API server that gives these answers, one a look, and resolves once they are used up. */
async function follow(answers: readonly (ApiAnswer | Error)[]) {
  const [forms, problems]: [Form[], unknown[]] = [[], []];
  const over = new AbortController();
  const all = Promise.withResolvers<void>();
  const left = [...answers];
  const log = pino({ level: 'info' }, { write: (line) => void problems.push(JSON.parse(line).problem) });
  void followForm({
    ...{ native: 'auto', log, signal: over.signal },
    // Time that does not take any.
    clock: { ...systemClock, after: (_milliseconds, run) => systemClock.after(0, run) },
    api: {
      async call() {
        const answer = left.shift();
        if (answer === undefined) {
          over.abort(new Error('it is over'));
          all.resolve();
        }
        if (answer === undefined || answer instanceof Error) throw answer ?? new Error('it is over');
        return answer;
      },
    },
    onForm: (form) => void forms.push(form),
  });
  await all.promise;
  return { forms, problems };
}

const version = (minor: string) => ({ status: 200, body: { major: '1', minor } });

test('native from 1.29 on, with a plus behind it too', async () => {
  expect((await follow([version('28'), version('29+'), version('37')])).forms).toEqual(['classic', 'native', 'native']);
});

test('what is wrong is told once, and again when it is something else or comes back', async () => {
  const [refused, reset] = [new Error('GET /version: ECONNREFUSED'), new Error('GET /version: ECONNRESET')];
  const { forms, problems } = await follow([refused, refused, refused, reset, reset, version('33'), reset]);
  expect(problems).toEqual([refused.message, reset.message, reset.message]);
  expect(forms).toEqual(['native']);
});

test('an answer without a version leaves what is known', async () => {
  const { forms, problems } = await follow([version('33'), { status: 500, body: undefined }]);
  expect(forms).toEqual(['native']);
  expect(problems).toEqual(['GET /version: the API server answered 500 and no version']);
});
