/** What a load run says about itself. A run with a single wrong or missing answer throws instead. */
export interface LoadResult {
  readonly operations: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}
