// RUN: sylvite-opt %s -nn-simplify -split-input-file | FileCheck %s

// (x - mean) / sqrt(mean((x - mean)^2) + epsilon) * g + b, an op for each operator, as PyTorch's exporter writes it.
// CHECK-LABEL: func.func @layer_norm
// CHECK-NOT: nn.reduce
// CHECK: %[[ROWS:.*]] = nn.layer_norm %arg0 dims [1] epsilon {{9.99999.*E-6|1.0+e-05}} : (tensor<?x64xf32>) -> tensor<?x64xf32>
// CHECK-NEXT: nn.map(%[[ROWS]], %arg1)
// CHECK: arith.mulf
// CHECK-NOT: nn.reduce
// CHECK: return
func.func @layer_norm(%x: tensor<?x64xf32>, %g: tensor<64xf32>) -> tensor<?x64xf32> {
  %mean = nn.reduce mean %x dims [1] keep_dims : (tensor<?x64xf32>) -> tensor<?x1xf32>
  %c = nn.map (%x, %mean) : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.subf %a, %b : f32
    nn.yield %0 : f32
  }
  %s = nn.map (%c) : (tensor<?x64xf32>) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    %0 = arith.mulf %a, %a : f32
    nn.yield %0 : f32
  }
  %v = nn.reduce mean %s dims [1] keep_dims : (tensor<?x64xf32>) -> tensor<?x1xf32>
  %e = nn.map (%v) : (tensor<?x1xf32>) -> tensor<?x1xf32> {
  ^bb0(%a: f32):
    %epsilon = arith.constant 1.0e-5 : f32
    %0 = arith.addf %a, %epsilon : f32
    nn.yield %0 : f32
  }
  %d = nn.map (%e) : (tensor<?x1xf32>) -> tensor<?x1xf32> {
  ^bb0(%a: f32):
    %0 = math.sqrt %a : f32
    nn.yield %0 : f32
  }
  %n = nn.map (%c, %d) : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.divf %a, %b : f32
    nn.yield %0 : f32
  }
  %y = nn.map (%n, %g) : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.mulf %a, %b : f32
    nn.yield %0 : f32
  }
  return %y : tensor<?x64xf32>
}

// -----

// x * (g * rsqrt(v + epsilon)) + (b - mean * (g * rsqrt(v + epsilon))), as TensorFlow has it, with the mean of the squares less
// the square of the mean as the variance; the means lose their dimension and get it back.
// CHECK-LABEL: func.func @factored
// CHECK: %[[ROWS:.*]] = nn.layer_norm %arg0 dims [1] epsilon {{[0-9.e-]+}}
// CHECK-NEXT: nn.map(%[[ROWS]], %arg1, %arg2) : (tensor<?x64xf32>, tensor<64xf32>, tensor<64xf32>) -> tensor<?x64xf32> {
// CHECK-NEXT: ^bb0(%[[N:.*]]: f32, %[[G:.*]]: f32, %[[B:.*]]: f32):
// CHECK-NEXT: %[[SCALED:.*]] = arith.mulf %[[N]], %[[G]]
// CHECK-NEXT: %[[Y:.*]] = arith.addf %[[SCALED]], %[[B]]
// CHECK-NEXT: nn.yield %[[Y]]
// CHECK-NOT: nn.reduce
func.func @factored(%x: tensor<?x64xf32>, %g: tensor<64xf32>, %b: tensor<64xf32>) -> tensor<?x64xf32> {
  %m = nn.reduce mean %x dims [1] : (tensor<?x64xf32>) -> tensor<?xf32>
  %mean = nn.reshape %m from [0, -1] : tensor<?xf32> to tensor<?x1xf32>
  %s = nn.map (%x) : (tensor<?x64xf32>) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    %0 = arith.mulf %a, %a : f32
    nn.yield %0 : f32
  }
  %v = nn.reduce mean %s dims [1] : (tensor<?x64xf32>) -> tensor<?xf32>
  %square = nn.reshape %v from [0, -1] : tensor<?xf32> to tensor<?x1xf32>
  %f = nn.map (%square, %mean, %g) : (tensor<?x1xf32>, tensor<?x1xf32>, tensor<64xf32>) -> tensor<?x64xf32> {
  ^bb0(%a: f32, %c: f32, %d: f32):
    %epsilon = arith.constant 1.0e-3 : f32
    %0 = arith.mulf %c, %c : f32
    %1 = arith.subf %a, %0 : f32
    %2 = arith.addf %1, %epsilon : f32
    %3 = math.rsqrt %2 : f32
    %4 = arith.mulf %3, %d : f32
    nn.yield %4 : f32
  }
  %y = nn.map (%x, %f, %b, %mean) : (tensor<?x64xf32>, tensor<?x64xf32>, tensor<64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32> {
  ^bb0(%a: f32, %c: f32, %d: f32, %e: f32):
    %0 = arith.mulf %a, %c : f32
    %1 = arith.mulf %e, %c : f32
    %2 = arith.subf %d, %1 : f32
    %3 = arith.addf %0, %2 : f32
    nn.yield %3 : f32
  }
  return %y : tensor<?x64xf32>
}

// -----

// Without a mean it is the other normalization.
// CHECK-LABEL: func.func @rms_norm
// CHECK: %[[X:.*]] = nn.map(%arg0)
// CHECK: nn.rms_norm %[[X]] dims [1] epsilon {{9.99999.*E-7}}
// CHECK-NOT: nn.reduce
func.func @rms_norm(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %sum = nn.map (%x, %x) : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.addf %a, %b : f32
    nn.yield %0 : f32
  }
  %s = nn.map (%sum) : (tensor<?x64xf32>) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    %two = arith.constant 2.0 : f32
    %0 = math.powf %a, %two : f32
    nn.yield %0 : f32
  }
  %v = nn.reduce mean %s dims [1] keep_dims : (tensor<?x64xf32>) -> tensor<?x1xf32>
  %y = nn.map (%sum, %v) : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32> {
  ^bb0(%a: f32, %b: f32):
    %epsilon = arith.constant 1.0e-6 : f32
    %0 = arith.addf %b, %epsilon : f32
    %1 = math.rsqrt %0 : f32
    %2 = arith.mulf %a, %1 : f32
    nn.yield %2 : f32
  }
  return %y : tensor<?x64xf32>
}

// -----

// What others read stays; a mean of other rows, or another constant than one before the mean, is no normalization.
// CHECK-LABEL: func.func @read_by_others
// CHECK-NOT: nn.rms_norm
// CHECK: return
func.func @read_by_others(%x: tensor<?x64xf32>) -> (tensor<?x64xf32>, tensor<?x1xf32>) {
  %s = nn.map (%x) : (tensor<?x64xf32>) -> tensor<?x64xf32> {
  ^bb0(%a: f32):
    %0 = arith.mulf %a, %a : f32
    nn.yield %0 : f32
  }
  %v = nn.reduce mean %s dims [1] keep_dims : (tensor<?x64xf32>) -> tensor<?x1xf32>
  %y = nn.map (%x, %v) : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = math.rsqrt %b : f32
    %1 = arith.mulf %a, %0 : f32
    nn.yield %1 : f32
  }
  return %y, %v : tensor<?x64xf32>, tensor<?x1xf32>
}

// CHECK-LABEL: func.func @half_the_mean
// CHECK-NOT: nn.layer_norm
// CHECK: return
func.func @half_the_mean(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %mean = nn.reduce mean %x dims [1] keep_dims : (tensor<?x64xf32>) -> tensor<?x1xf32>
  %s = nn.map (%x, %mean) : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.subf %a, %b : f32
    %1 = arith.mulf %0, %0 : f32
    nn.yield %1 : f32
  }
  %v = nn.reduce mean %s dims [1] keep_dims : (tensor<?x64xf32>) -> tensor<?x1xf32>
  %y = nn.map (%x, %mean, %v) : (tensor<?x64xf32>, tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x64xf32> {
  ^bb0(%a: f32, %b: f32, %d: f32):
    %half = arith.constant 0.5 : f32
    %0 = arith.mulf %b, %half : f32
    %1 = arith.subf %a, %0 : f32
    %2 = math.rsqrt %d : f32
    %3 = arith.mulf %1, %2 : f32
    nn.yield %3 : f32
  }
  return %y : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @softmax
// CHECK-NEXT: nn.softmax %arg0 dims [1] : (tensor<?x64xf32>) -> tensor<?x64xf32>
// CHECK-NEXT: return
func.func @softmax(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %m = nn.reduce max %x dims [1] keep_dims : (tensor<?x64xf32>) -> tensor<?x1xf32>
  %e = nn.map (%x, %m) : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.subf %a, %b : f32
    %1 = math.exp %0 : f32
    nn.yield %1 : f32
  }
  %s = nn.reduce sum %e dims [1] keep_dims : (tensor<?x64xf32>) -> tensor<?x1xf32>
  %y = nn.map (%e, %s) : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.divf %a, %b : f32
    nn.yield %0 : f32
  }
  return %y : tensor<?x64xf32>
}

// Sums along another dimension are none of a softmax.
// CHECK-LABEL: func.func @columns
// CHECK-NOT: nn.softmax
// CHECK: return
func.func @columns(%x: tensor<8x64xf32>) -> tensor<8x64xf32> {
  %m = nn.reduce max %x dims [1] keep_dims : (tensor<8x64xf32>) -> tensor<8x1xf32>
  %e = nn.map (%x, %m) : (tensor<8x64xf32>, tensor<8x1xf32>) -> tensor<8x64xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.subf %a, %b : f32
    %1 = math.exp %0 : f32
    nn.yield %1 : f32
  }
  %s = nn.reduce sum %e dims [0] keep_dims : (tensor<8x64xf32>) -> tensor<1x64xf32>
  %y = nn.map (%e, %s) : (tensor<8x64xf32>, tensor<1x64xf32>) -> tensor<8x64xf32> {
  ^bb0(%a: f32, %b: f32):
    %0 = arith.divf %a, %b : f32
    nn.yield %0 : f32
  }
  return %y : tensor<8x64xf32>
}
