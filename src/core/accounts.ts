/** Users and groups as /etc/passwd and /etc/group list them (passwd(5), group(5)). */

/** Whom a process becomes. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
  /** Whose supplementary groups it gets; absent for a number that nobody has: then none. */
  readonly name?: string | undefined;
}

export interface AccountTables {
  readonly passwd: string;
  readonly group: string;
}

const largestId = 4_294_967_294;

/** `user` and `group` are names or numbers; a string is a sentence about what is wrong with them. */
export function findAccount(
  { user, group }: { readonly user: string; readonly group?: string | undefined },
  tables: AccountTables,
): Account | string {
  const users = linesOf(tables.passwd);
  const wanted = idIn(user);
  const found = users.find(({ name, id }) => (wanted === undefined ? name === user : id === wanted));
  const uid = found?.id ?? wanted;
  if (uid === undefined) return `There is no user "${user}" in /etc/passwd. Create it, or correct the name.`;
  if (group === undefined && found?.gid === undefined)
    return `There is no user ${user} in /etc/passwd, so its group has to be written, too: group: ${user}.`;
  const gid = group === undefined ? found?.gid : (idIn(group) ?? idOfGroup(group, tables.group));
  if (gid === undefined) return `There is no group "${group}" in /etc/group. Create it, or correct the name.`;
  if (uid === 0) return 'That is root, whose rights workers are not to have. Write a user of their own.';
  return { uid, gid, ...(found === undefined ? {} : { name: found.name }) };
}

function idOfGroup(wanted: string, table: string): number | undefined {
  return linesOf(table).find(({ name }) => name === wanted)?.id;
}

function idIn(text: string): number | undefined {
  const id = /^\d{1,10}$/.test(text) ? Number(text) : undefined;
  return id !== undefined && id <= largestId ? id : undefined;
}

/** `name:password:id:gid:…`; a line of /etc/group has no gid. */
function linesOf(table: string): readonly { name: string; id: number; gid: number | undefined }[] {
  return table.split('\n').flatMap((line) => {
    const [name = '', , third = '', fourth = ''] = line.split(':', 5);
    const id = idIn(third);
    return name === '' || id === undefined ? [] : [{ name, id, gid: idIn(fourth) }];
  });
}
