import { useTicking } from '../words/clock.ts';
import { absoluteTime, preciseTime, relativeTime } from '../words/time.ts';

interface TimeProps {
  readonly at: string;
}

/** `in 7m 12s`, counting; the exact time as its title. */
export function RelativeTime({ at }: TimeProps) {
  const ms = Date.parse(at);
  const words = useTicking((now) => relativeTime(ms, now));
  return (
    <time dateTime={at} title={preciseTime(ms)}>
      {words}
    </time>
  );
}

/** `expires in 7m 12s`, `expired 3m ago`. */
export function Ending({ at }: TimeProps) {
  const word = useTicking((now) => (Date.parse(at) > now ? 'expires' : 'expired'));
  return (
    <>
      {word} <RelativeTime at={at} />
    </>
  );
}

export function AbsoluteTime({ at }: TimeProps) {
  const ms = Date.parse(at);
  return (
    <time dateTime={at} title={preciseTime(ms)}>
      {absoluteTime(ms)}
    </time>
  );
}

/** Both, the exact one smaller. */
export function BothTimes({ at }: TimeProps) {
  return (
    <span className="both-times">
      <RelativeTime at={at} /> <span className="quiet">{absoluteTime(Date.parse(at))}</span>
    </span>
  );
}
