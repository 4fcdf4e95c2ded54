import { useEffect, useState, type RefObject } from 'react';

/** Up to this many rows are simply drawn, so that the browser's own search finds them. */
const drawAllUpTo = 500;
const margin = 30;

interface RowWindow {
  readonly first: number;
  /** Exclusive. */
  readonly end: number;
  /** Pixels that the rows before and after it would take. */
  readonly above: number;
  readonly below: number;
}

/** Which rows of a long table are near the screen. Rows are taken to be as high as those drawn are on average. */
export function useRowWindow(body: RefObject<HTMLElement | null>, count: number): RowWindow {
  const [shown, setShown] = useState({ first: 0, end: drawAllUpTo, height: 0 });
  const all = count <= drawAllUpTo;

  useEffect(() => {
    if (all) return;
    const measure = () => {
      const element = body.current;
      const drawn = element?.querySelectorAll('tr:not(.gap)') ?? [];
      const last = drawn[drawn.length - 1];
      if (element === null || last === undefined || drawn[0] === undefined) return;
      const height = (last.getBoundingClientRect().bottom - drawn[0].getBoundingClientRect().top) / drawn.length;
      const top = -element.getBoundingClientRect().top;
      const first = Math.max(0, Math.floor(top / height) - margin);
      const end = Math.min(count, Math.ceil((top + window.innerHeight) / height) + margin);
      setShown((known) =>
        Math.abs(known.first - first) < margin / 3 && Math.abs(known.end - end) < margin / 3
          ? known
          : { first: Math.min(first, count), end, height },
      );
    };
    measure();
    window.addEventListener('scroll', measure, { passive: true });
    window.addEventListener('resize', measure);
    return () => {
      window.removeEventListener('scroll', measure);
      window.removeEventListener('resize', measure);
    };
  }, [all, body, count]);

  if (all) return { first: 0, end: count, above: 0, below: 0 };
  const { height } = shown;
  const first = Math.min(shown.first, count);
  const end = Math.min(Math.max(shown.end, first), count);
  return { first, end, above: first * height, below: (count - end) * height };
}
