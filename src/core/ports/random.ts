/** Where randomness comes in, so that tests and simulations repeat. Cryptographic keys never come from here. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
}
