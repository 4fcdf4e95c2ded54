#!/usr/bin/env node
// Nothing is imported before the version is known to be right, and nothing here needs more than Node 12 to be parsed.
const neededMajor = 26;
const found = process.versions.node;

if (Number(found.split('.')[0]) < neededMajor) {
  process.stderr.write(
    'Certplane needs Node.js ' +
      neededMajor +
      ' or newer; this is v' +
      found +
      '. Install it from https://nodejs.org, or put it first on PATH.\n',
  );
  process.exitCode = 1;
} else {
  // A reader that closes early (certplane list | head) is no error.
  process.stdout.on('error', function (error: NodeJS.ErrnoException) {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  import('./cli/main.ts')
    .then(function (cli) {
      return cli.main(process.argv.slice(2));
    })
    .then(
      function (code) {
        return (process.exitCode = code);
      },
      function (error) {
        process.exitCode = 1;
        setImmediate(function () {
          throw error;
        });
      },
    );
}
