/** What comes before HTTP: ClientHellos with anything in them, and PROXY headers. */
import * as hello from '../terminator/support/client-hellos.ts';
import { mutated, type Dice } from './fuzz-inputs.ts';

const names = [
  'one.test',
  'one.test',
  'www.one.test',
  'tcp.one.test',
  'through.test',
  'unknown.test',
  '',
  '.',
  'ONE.test.',
  '*.one.test',
  'xn--',
  'a'.repeat(64),
  `${'a.'.repeat(127)}a`,
  'one.test\0.evil.test',
  '127.0.0.1',
  'ö.test',
];

/** A ClientHello whose framing is right and whose content is whatever comes to mind, in records of any size. */
export function clientHello(dice: Dice): Buffer {
  const extensions = [
    () => hello.sni(dice.one(names)),
    () => hello.sni(dice.bytes(300).toString('latin1')),
    () =>
      hello.alpn(...Array.from({ length: 1 + dice.number(4) }, () => dice.one(['h2', 'http/1.1', 'x', 'acme-tls/1']))),
    () =>
      hello.supportedVersions(
        ...Array.from({ length: 1 + dice.number(4) }, () => dice.one([0x304, 0x303, 0x302, 0x7f1c])),
      ),
    () => hello.signatureAlgorithms(0x0403, 0x0804, dice.number(65_536)),
    () => hello.sessionTicket(dice.bytes(300)),
    () => hello.preSharedKey(dice.bytes(300), dice.bytes(40)),
    () => hello.extension(dice.number(65_536), dice.bytes(dice.one([0, 10, 2_000]))),
    () => hello.extension(10, hello.vector(2, hello.u16(0x001d, 0x0017, dice.number(65_536)))),
    () => hello.extension(51, hello.vector(2, hello.u16(0x001d), hello.vector(2, dice.bytes(32)))),
  ];
  const wanted = Array.from({ length: dice.number(12) }, () => dice.one(extensions)());
  const message = hello.helloMessage({
    legacyVersion: dice.one([0x0303, 0x0303, 0x0301, 0x0000, 0xffff]),
    sessionId: dice.bytes(dice.one([0, 32, 255])),
    suites: Array.from({ length: dice.number(20) }, () => dice.one([0x1301, 0x1302, 0xc02b, 0xc02c, 0x00ff, 0x5600])),
    extensions: dice.chance(5) ? undefined : wanted,
  });
  const records = hello.inRecords(message, dice.one([1, 7, 100, 1_000, 16_384]));
  return dice.chance(70) ? records : mutated(dice, records);
}

const addresses = ['203.0.113.7', '2001:db8::7', '::ffff:203.0.113.7', '0.0.0.0', '256.1.1.1', '', '1.2.3'];
const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

/** A PROXY header of version 1 or 2, as it should be or not. */
export function proxyHeader(dice: Dice): Buffer {
  if (dice.chance(40)) {
    const port = dice.one(['443', '0', '65536', '-1', '']);
    const family = dice.one(['TCP4', 'TCP4', 'TCP6', 'UNKNOWN', 'UDP4', 'tcp4']);
    const line = `PROXY ${family} ${dice.one(addresses)} ${dice.one(addresses)} 40000 ${port}${dice.one(['\r\n', '\r\n', '\n', ''])}`;
    const bytes = Buffer.from(dice.chance(10) ? line.padEnd(300, 'x') : line, 'latin1');
    return dice.chance(60) ? bytes : mutated(dice, bytes);
  }
  const body = Buffer.concat([
    dice.bytes(dice.one([12, 36, 216])),
    ...Array.from({ length: dice.number(4) }, () =>
      Buffer.concat([hello.u8(dice.number(256)), hello.vector(2, dice.bytes(60))]),
    ),
  ]);
  const command = dice.one([0x21, 0x21, 0x20, 0x11, 0x2f]);
  const family = dice.one([0x11, 0x11, 0x21, 0x31, 0x00, 0x12, 0x44]);
  const announced = dice.chance(70) ? body.length : dice.number(65_536);
  const header = Buffer.concat([signature, hello.u8(command), hello.u8(family), hello.u16(announced), body]);
  return dice.chance(70) ? header : mutated(dice, header);
}
