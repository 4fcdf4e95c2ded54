import { Link } from 'wouter';
import { Icon } from './icon.tsx';

interface NarrowedProps {
  readonly to: string;
  /** The address without it. */
  readonly href: string;
}

/** What a list is narrowed to by the address, and the way back to all. */
export function Narrowed({ to, href }: NarrowedProps) {
  return (
    <Link className="button narrowed" href={href} replace>
      <span>{to}</span>
      <Icon name="close" />
      <span className="hidden">Take this filter away</span>
    </Link>
  );
}
