import assert from 'node:assert/strict';
import test from 'node:test';
import { solverForName } from '../../src/core/solver-selection.ts';
import type { Http01SolverConfig } from '../../src/config/model.ts';

const solver = (port: number, select: Partial<Http01SolverConfig> = {}): Http01SolverConfig => ({
  kind: 'http01',
  listen: { host: '::', port },
  ...select,
});

test('a listed name beats the longest zone, which beats the solver for every name', () => {
  const solvers = [
    solver(1),
    solver(2, { dnsZones: ['example.com'] }),
    solver(3, { dnsZones: ['b.example.com', 'example.org'] }),
    solver(4, { dnsNames: ['x.b.example.com'] }),
  ];
  const chosen = (name: string): number | undefined => solverForName(solvers, name)?.listen.port;
  assert.equal(chosen('x.b.example.com'), 4);
  assert.equal(chosen('y.b.example.com'), 3);
  assert.equal(chosen('b.example.com'), 3);
  assert.equal(chosen('notb.example.com'), 2);
  assert.equal(chosen('badexample.com'), 1);
  assert.equal(chosen('*.example.com'), undefined, 'http-01 cannot prove a wildcard');
});

test('no solver is for a name that none selects', () => {
  assert.equal(solverForName([solver(1, { dnsNames: ['a.example.com'] })], 'b.example.com'), undefined);
  assert.equal(solverForName([], 'b.example.com'), undefined);
});
