import { Button } from 'react-aria-components';
import { Icon } from './icon.tsx';

interface DownloadProps {
  readonly text: string;
  readonly fileName: string;
  readonly label: string;
}

/** Saves text the page already has as a file. */
export function Download({ text, fileName, label }: DownloadProps) {
  const save = () => {
    const address = URL.createObjectURL(new Blob([text], { type: 'application/x-pem-file' }));
    const link = document.createElement('a');
    link.href = address;
    link.download = fileName;
    link.click();
    URL.revokeObjectURL(address);
  };
  return (
    <Button className="button" onPress={save}>
      <Icon name="download" />
      {label}
    </Button>
  );
}
