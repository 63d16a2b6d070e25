import type { Tensor } from "../tensor/tensor.ts";
import {
  type AvgPoolOptions,
  adaptiveAvgPool,
  adaptiveMaxPool,
  avgPool1d,
  avgPool2d,
  avgPool3d,
  type MaxPoolOptions,
  maxPool1d,
  maxPool2d,
  maxPool3d,
  type OutputSize,
} from "./functional/pooling.ts";
import type { PerDim } from "./functional/windows.ts";
import { Module } from "./module.ts";

/** A pooling with its options: what all have in common but the function. */
abstract class Pooling<Size, Options> extends Module {
  readonly size: Size;
  readonly options: Options;

  constructor(size: Size, options: Options) {
    super();
    this.size = size;
    this.options = options;
  }

  abstract forward(x: Tensor): Tensor;
}

abstract class MaxPool extends Pooling<PerDim, MaxPoolOptions> {
  constructor(kernelSize: PerDim, options: MaxPoolOptions = {}) {
    super(kernelSize, options);
  }
}

abstract class AvgPool extends Pooling<PerDim, AvgPoolOptions> {
  constructor(kernelSize: PerDim, options: AvgPoolOptions = {}) {
    super(kernelSize, options);
  }
}

abstract class AdaptivePool extends Pooling<OutputSize, undefined> {
  constructor(outputSize: OutputSize) {
    super(outputSize, undefined);
  }
}

/** `functional.maxPool1d`. */
export class MaxPool1d extends MaxPool {
  forward(x: Tensor): Tensor {
    return maxPool1d(x, this.size, this.options);
  }
}

/** `functional.maxPool2d`. */
export class MaxPool2d extends MaxPool {
  forward(x: Tensor): Tensor {
    return maxPool2d(x, this.size, this.options);
  }
}

/** `functional.maxPool3d`. */
export class MaxPool3d extends MaxPool {
  forward(x: Tensor): Tensor {
    return maxPool3d(x, this.size, this.options);
  }
}

/** `functional.avgPool1d`. */
export class AvgPool1d extends AvgPool {
  forward(x: Tensor): Tensor {
    return avgPool1d(x, this.size, this.options);
  }
}

/** `functional.avgPool2d`. */
export class AvgPool2d extends AvgPool {
  forward(x: Tensor): Tensor {
    return avgPool2d(x, this.size, this.options);
  }
}

/** `functional.avgPool3d`. */
export class AvgPool3d extends AvgPool {
  forward(x: Tensor): Tensor {
    return avgPool3d(x, this.size, this.options);
  }
}

/** `functional.adaptiveAvgPool` over one spatial dim. */
export class AdaptiveAvgPool1d extends AdaptivePool {
  forward(x: Tensor): Tensor {
    return adaptiveAvgPool(x, 1, this.size);
  }
}

/** `functional.adaptiveAvgPool` over two spatial dims. */
export class AdaptiveAvgPool2d extends AdaptivePool {
  forward(x: Tensor): Tensor {
    return adaptiveAvgPool(x, 2, this.size);
  }
}

/** `functional.adaptiveAvgPool` over three spatial dims. */
export class AdaptiveAvgPool3d extends AdaptivePool {
  forward(x: Tensor): Tensor {
    return adaptiveAvgPool(x, 3, this.size);
  }
}

/** `functional.adaptiveMaxPool` over one spatial dim. */
export class AdaptiveMaxPool1d extends AdaptivePool {
  forward(x: Tensor): Tensor {
    return adaptiveMaxPool(x, 1, this.size);
  }
}

/** `functional.adaptiveMaxPool` over two spatial dims. */
export class AdaptiveMaxPool2d extends AdaptivePool {
  forward(x: Tensor): Tensor {
    return adaptiveMaxPool(x, 2, this.size);
  }
}

/** `functional.adaptiveMaxPool` over three spatial dims. */
export class AdaptiveMaxPool3d extends AdaptivePool {
  forward(x: Tensor): Tensor {
    return adaptiveMaxPool(x, 3, this.size);
  }
}
