/** One line that changes in place on a terminal; elsewhere one line for each change. */
import type { Context } from './context.ts';
import { clean } from './text.ts';

export interface Progress extends Disposable {
  show(text: string): void;
  /** Takes the line away. */
  end(): void;
}

export function createProgress({ io: { stderr }, json }: Context): Progress {
  const inPlace = stderr.isTTY === true;
  let last = '';
  const end = (): void => {
    if (inPlace && last !== '') stderr.write('\r\u001b[2K');
    last = '';
  };
  return {
    show(text) {
      const line = clean(text);
      if (json || line === last) return;
      const width = stderr.columns ?? 80;
      stderr.write(inPlace ? `\r\u001b[2K${line.slice(0, Math.max(10, width - 1))}` : `${line}\n`);
      last = line;
    },
    end,
    [Symbol.dispose]: end,
  };
}

/** Says on a terminal what is being done, until it is; nothing elsewhere, so that scripts see results alone. */
export async function whileShowing<T>(context: Context, text: string, work: () => Promise<T>): Promise<T> {
  if (context.io.stderr.isTTY !== true) return await work();
  using progress = createProgress(context);
  progress.show(text);
  return await work();
}
