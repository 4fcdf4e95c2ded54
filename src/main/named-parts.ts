/** What is running, disposed of in reverse order, each part by its name: a stop that hangs can say in what. */
export class NamedParts implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  #ending: (() => readonly string[]) | undefined;

  /** `waitingFor`: more exactly, what the part waits for while it ends. */
  use<T extends Disposable | AsyncDisposable>(name: string, part: T, waitingFor?: () => readonly string[]): T {
    this.#stack.defer(async () => {
      this.#ending = () => [name, ...(waitingFor?.() ?? [])];
      await (Symbol.asyncDispose in part ? part[Symbol.asyncDispose]() : part[Symbol.dispose]());
      this.#ending = undefined;
    });
    return part;
  }

  /** While it is disposed of: the part that is ending. */
  get waitingFor(): readonly string[] {
    return this.#ending?.() ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
