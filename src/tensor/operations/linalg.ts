import * as b from "../../ops/builders.ts";
import type { Tensor } from "../tensor.ts";
import { IndexingOperations } from "./indexing.ts";

/** Linear algebra. */
export abstract class LinalgOperations extends IndexingOperations {
  /** Matrix product, with PyTorch's rules for vectors and its broadcasting of leading dims. */
  matmul(other: Tensor): Tensor {
    return this.wrap(b.matmul(this.usable(), other.usable()), other);
  }
}
