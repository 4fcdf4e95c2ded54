import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Button, Form, Input, Label, TextField } from 'react-aria-components';
import { logIn, sessionQuery } from '../api/queries.ts';
import { Alone } from '../parts/alone.tsx';
import { NoticeBox } from '../parts/notice.tsx';

const focus = (input: HTMLInputElement | null) => input?.focus();

/** The only thing to do here is to give a token, so the keyboard is there at once. */
export function LoginPage() {
  const client = useQueryClient();
  const [token, setToken] = useState('');
  const login = useMutation({
    mutationFn: logIn,
    onSuccess: async () => await client.invalidateQueries({ queryKey: sessionQuery.queryKey }),
  });
  return (
    <Alone title="Log in · Certplane">
      <p>Every start of Certplane prints a login link that works once, for ten minutes. Open it, or paste a token.</p>
      <Form
        className="login-form"
        onSubmit={(event) => {
          event.preventDefault();
          login.mutate(token.trim());
        }}
      >
        <TextField className="field" type="password" isRequired value={token} onChange={setToken}>
          <Label>Token</Label>
          <Input ref={focus} className="input" autoComplete="current-password" spellCheck={false} />
        </TextField>
        {login.error !== null && (
          <div role="alert">
            <NoticeBox tone="warn" icon="alert">
              {login.error.message}
            </NoticeBox>
          </div>
        )}
        <Button className="button primary" type="submit" isPending={login.isPending}>
          {login.isPending ? 'Logging in' : 'Log in'}
        </Button>
      </Form>
      <p className="quiet">
        On the machine that runs Certplane, <code className="code">certplane token create</code> prints a new token.
      </p>
    </Alone>
  );
}
