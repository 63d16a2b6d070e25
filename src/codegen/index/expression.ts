/**
 * Integer index expressions: the public face of this folder's arithmetic. `terms.ts` says what an expression
 * is, `simplify.ts` how it is built and folded, `inspect.ts` how it is read, evaluated and printed.
 */
export {
  coefficientOf,
  delinearize,
  type Environment,
  evaluate,
  format,
  linearize,
  opaquesOf,
  substitute,
  variablesOf,
} from "./inspect.ts";
export {
  add,
  divideModulo,
  floorDivide,
  maximum,
  minimum,
  modulo,
  multiply,
  subtract,
} from "./simplify.ts";
export {
  type Atom,
  type Constant,
  compareExpressions,
  constant,
  constantPartOf,
  type Expression,
  equal,
  type FloorDivide,
  type Linear,
  type Maximum,
  type Minimum,
  type Modulo,
  type Opaque,
  type Operand,
  opaque,
  type Product,
  rangedVariable,
  type Term,
  termsOf,
  type Variable,
  variable,
} from "./terms.ts";
