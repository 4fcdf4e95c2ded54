/** Which requests go where, and what is changed on the way. */

/**
 * `prefix` matches by path element (`/a` matches `/a` and `/a/b`, not `/ab`); `exact` compares whole paths; `regex` is
 * matched from the beginning on an engine that takes linear time (no look-around, no back-references).
 */
export interface PathMatch {
  readonly kind: 'prefix' | 'exact' | 'regex';
  readonly value: string;
}

export interface HeaderMatch {
  /** Lower-case. */
  readonly name: string;
  /** Absent: the header has to be there, with any value. */
  readonly value?: string | undefined;
}

/** Applied in this order: remove, set (replaces), add. Names are lower-case. */
export interface HeaderChanges {
  readonly remove: readonly string[];
  readonly set: Readonly<Record<string, string>>;
  readonly add: Readonly<Record<string, string>>;
}

/** What becomes of the matched prefix (of the whole path for `exact` and `regex`); the query is kept. */
export interface PathRewrite {
  readonly kind: 'replace-prefix' | 'replace-path';
  readonly value: string;
}

export interface RedirectAction {
  readonly kind: 'redirect';
  readonly status: 301 | 302 | 303 | 307 | 308;
  readonly scheme?: 'http' | 'https' | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly path?: PathRewrite | undefined;
}

export type RouteAction =
  | {
      readonly kind: 'proxy';
      /** Key in `TerminatorSettings.backends`. */
      readonly backend: string;
      readonly rewrite?: PathRewrite | undefined;
      /** Host header for the backend; absent: the client's. */
      readonly host?: string | undefined;
    }
  | {
      readonly kind: 'respond';
      readonly status: number;
      readonly body: string;
      readonly headers: Readonly<Record<string, string>>;
    }
  | RedirectAction
  /** The bytes inside TLS go to the backend as they are. Owns its hosts whole. */
  | { readonly kind: 'tcp'; readonly backend: string }
  /** The TLS connection itself goes to the backend unread, chosen by server name. Owns its hosts whole. */
  | { readonly kind: 'passthrough'; readonly backend: string };

export interface Route {
  /** Stands in metrics and logs. */
  readonly name: string;
  /** Canonical names; exact or one-label wildcard. */
  readonly hosts: readonly string[];
  /**
   * Of several that match: exact before the longest prefix before a regex before the prefix `/`, which takes everything;
   * then more conditions; then the earlier one.
   */
  readonly path: PathMatch;
  /** Absent: any. */
  readonly methods?: readonly string[] | undefined;
  /** All have to match. */
  readonly headers?: readonly HeaderMatch[] | undefined;
  readonly action: RouteAction;
  readonly requestHeaders?: HeaderChanges | undefined;
  readonly responseHeaders?: HeaderChanges | undefined;
  /** Over plain http: lead to https (308), or serve the route there, too. */
  readonly http: 'redirect' | 'serve';
}
