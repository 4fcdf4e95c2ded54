/**
 * Callbacks that are told synchronously; each `add` gives back what takes it off again. A callback that throws disturbs
 * neither the others nor whoever tells: its error becomes an uncaught exception, as with an EventTarget.
 */
export class Listeners<T> {
  readonly #all = new Set<(value: T) => void>();

  add(listener: (value: T) => void): Disposable {
    const own = (value: T): void => listener(value);
    this.#all.add(own);
    return { [Symbol.dispose]: () => this.#all.delete(own) };
  }

  tell(value: T): void {
    for (const listener of this.#all) {
      try {
        listener(value);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
