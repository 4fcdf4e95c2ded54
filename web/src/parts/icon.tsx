/** Line icons on a 16-pixel grid. They stand beside words, so they are hidden from assistive technology. */
const circle = 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Z';

const shapes = {
  alert: 'M8 2.3 14.4 13.4H1.6ZM8 6.5v3M8 11.4v.01',
  arrow: 'M3 8h10M9 4l4 4-4 4',
  certificate: 'M8 9.5a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM5.6 8.9l-1.1 5.6L8 12.6l3.5 1.9-1.1-5.6',
  'check-circle': `${circle}M5.4 8.2l1.8 1.8 3.4-3.8`,
  check: 'M3 8.5 6.3 12 13 4.5',
  chevron: 'M6 3.5 10.5 8 6 12.5',
  clock: `${circle}M8 4.8V8l2.2 1.4`,
  close: 'M4 4l8 8M12 4l-8 8',
  copy: 'M5.5 5.5h8v8h-8ZM10.5 5.5v-3h-8v8h3',
  'cross-circle': `${circle}M6 6l4 4M10 6l-4 4`,
  cube: 'M8 1.8 13.5 5v6L8 14.2 2.5 11V5ZM2.7 5.1 8 8.2l5.3-3.1M8 8.2v5.8',
  dash: `${circle}M5.5 8h5`,
  down: 'M3.5 6 8 10.5 12.5 6',
  download: 'M8 2.5v8M4.8 7.5 8 10.7l3.2-3.2M2.5 13.5h11',
  eye: 'M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8ZM8 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z',
  file: 'M3.5 1.8h5.7l3.3 3.3v9.1h-9ZM9 1.8v3.5h3.5',
  history: 'M2.5 8a5.5 5.5 0 1 0 1.6-3.9L2.5 5.7M2.5 2.5v3.2h3.2M8 5v3.2l2.2 1.3',
  issuer: 'M2 6 8 2.3 14 6ZM3.7 6v5M6.6 6v5M9.4 6v5M12.3 6v5M2 13.5h12M2.8 11h10.4',
  leave: 'M6.5 2.5h-4v11h4M10.5 5l3 3-3 3M13.5 8h-7',
  moon: 'M13.6 9.6A5.9 5.9 0 0 1 6.4 2.4a5.9 5.9 0 1 0 7.2 7.2Z',
  overview: 'M2.5 2.5H7V8H2.5ZM9 2.5h4.5v3H9ZM9 8h4.5v5.5H9ZM2.5 10.5H7v3H2.5Z',
  pause: `${circle}M6.5 6v4M9.5 6v4`,
  person: 'M8 8a2.7 2.7 0 1 0 0-5.4A2.7 2.7 0 0 0 8 8ZM3 13.7c.5-2.4 2.5-3.7 5-3.7s4.5 1.3 5 3.7',
  renew: 'M13.5 8a5.5 5.5 0 1 1-1.6-3.9l1.6 1.6M13.5 2.5v3.2h-3.2',
  search: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9ZM10.3 10.3l3.2 3.2',
  spinner: 'M8 2a6 6 0 1 1-6 6',
  sun: 'M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6ZM8 1.3v1.2M8 13.5v1.2M1.3 8h1.2M13.5 8h1.2M3.3 3.3l.8.8M11.9 11.9l.8.8M12.7 3.3l-.8.8M4.1 11.9l-.8.8',
  system: 'M2 3h12v8H2ZM5.5 13.5h5M8 11v2.5',
  terminator: 'M2.5 2.8h11v4.2h-11ZM2.5 9h11v4.2h-11ZM5 4.9v.01M5 11.1v.01',
  up: 'M3.5 10 8 5.5 12.5 10',
} as const;

export type IconName = keyof typeof shapes;

export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg className={name === 'spinner' ? 'icon icon-spin' : 'icon'} viewBox="0 0 16 16" aria-hidden="true">
      <path d={shapes[name]} />
    </svg>
  );
}

export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect className="mark-ground" width="32" height="32" rx="8" />
      <path className="mark-plane" d="M16 6.5 26 11.5 16 16.5 6 11.5Z" />
      <path className="mark-edge" d="m6.8 16.2 9.2 4.6 9.2-4.6M6.8 20.9l9.2 4.6 9.2-4.6" />
    </svg>
  );
}
