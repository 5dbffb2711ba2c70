// The model of tests/abi/Inputs/regression.c, by hand: p = x w + b, mean squared error, gradient descent with
// momentum.
nn.parameter trainable @"dense/kernel" : tensor<3xf32> = dense<[0.5, -0.25, 0.0]> : tensor<3xf32>
nn.parameter trainable @"dense/bias" : tensor<1xf32> = dense<1.0> : tensor<1xf32>
nn.parameter @"optimizer/dense/kernel/momentum" : tensor<3xf32>
nn.parameter @"optimizer/dense/bias/momentum" : tensor<1xf32>
nn.parameter @"optimizer/iterations" : tensor<i64>
nn.parameter @"optimizer/learning_rate" : tensor<f32> = dense<0.125> : tensor<f32>
nn.parameter @"metrics/sums" : tensor<3xf64>

func.func @forward(%x: tensor<?x3xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?xf32> {nn.name = "p"}) {
  %w = nn.get @"dense/kernel" : tensor<3xf32>
  %b = nn.get @"dense/bias" : tensor<1xf32>
  %0 = nn.map (%x, %w) : (tensor<?x3xf32>, tensor<3xf32>) -> tensor<?x3xf32> {
  ^bb0(%a: f32, %c: f32):
    %2 = arith.mulf %a, %c : f32
    nn.yield %2 : f32
  } loc("dense")
  %1 = nn.reduce sum %0 dims [1] : (tensor<?x3xf32>) -> tensor<?xf32> loc("dense")
  %p = nn.map (%1, %b) : (tensor<?xf32>, tensor<1xf32>) -> tensor<?xf32> {
  ^bb0(%a: f32, %c: f32):
    %2 = arith.addf %a, %c : f32
    nn.yield %2 : f32
  } loc("dense")
  return %p : tensor<?xf32>
}

func.func @train_step(%x: tensor<?x3xf32> {nn.name = "x", nn.dims = ["batch", ""]}, %y: tensor<?xf32> {nn.name = "y", nn.dims = ["batch"]})
    -> (tensor<f32> {nn.name = "loss"}, tensor<f32> {nn.name = "mae:0"},
        tensor<3xf32> {nn.update = "optimizer/dense/kernel/momentum"}, tensor<1xf32> {nn.update = "optimizer/dense/bias/momentum"},
        tensor<3xf32> {nn.update = "dense/kernel"}, tensor<1xf32> {nn.update = "dense/bias"},
        tensor<i64> {nn.update = "optimizer/iterations"}, tensor<3xf64> {nn.update = "metrics/sums"}) {
  %w = nn.get @"dense/kernel" : tensor<3xf32>
  %b = nn.get @"dense/bias" : tensor<1xf32>
  %0 = nn.map (%x, %w) : (tensor<?x3xf32>, tensor<3xf32>) -> tensor<?x3xf32> {
  ^bb0(%a: f32, %c: f32):
    %7 = arith.mulf %a, %c : f32
    nn.yield %7 : f32
  } loc("dense")
  %1 = nn.reduce sum %0 dims [1] : (tensor<?x3xf32>) -> tensor<?xf32> loc("dense")
  %e = nn.map (%1, %b, %y) : (tensor<?xf32>, tensor<1xf32>, tensor<?xf32>) -> tensor<?xf32> {
  ^bb0(%a: f32, %c: f32, %d: f32):
    %7 = arith.addf %a, %c : f32
    %8 = arith.subf %7, %d : f32
    nn.yield %8 : f32
  } loc("loss")
  %2 = nn.map (%e) : (tensor<?xf32>) -> tensor<?xf32> {
  ^bb0(%a: f32):
    %7 = arith.mulf %a, %a : f32
    nn.yield %7 : f32
  } loc("loss")
  %loss = nn.reduce mean %2 dims [0] : (tensor<?xf32>) -> tensor<f32> loc("loss")
  %3 = nn.map (%e) : (tensor<?xf32>) -> tensor<?xf32> {
  ^bb0(%a: f32):
    %7 = math.absf %a : f32
    nn.yield %7 : f32
  } loc("loss")
  %mae = nn.reduce mean %3 dims [0] : (tensor<?xf32>) -> tensor<f32> loc("loss")
  %4 = nn.map (%e) : (tensor<?xf32>) -> tensor<?xf32> {
  ^bb0(%a: f32):
    %7 = arith.addf %a, %a : f32
    nn.yield %7 : f32
  } loc("dense")
  %5 = nn.reshape %4 from [0, -1] : tensor<?xf32> to tensor<?x1xf32>
  %6 = nn.map (%5, %x) : (tensor<?x1xf32>, tensor<?x3xf32>) -> tensor<?x3xf32> {
  ^bb0(%a: f32, %c: f32):
    %7 = arith.mulf %a, %c : f32
    nn.yield %7 : f32
  } loc("dense")
  %gw = nn.reduce mean %6 dims [0] : (tensor<?x3xf32>) -> tensor<3xf32> loc("dense")
  %gb = nn.reduce mean %4 dims [0] keep_dims : (tensor<?xf32>) -> tensor<1xf32> loc("dense")
  %rate = nn.get @"optimizer/learning_rate" : tensor<f32>
  %mw = nn.get @"optimizer/dense/kernel/momentum" : tensor<3xf32>
  %mb = nn.get @"optimizer/dense/bias/momentum" : tensor<1xf32>
  %n = nn.get @"optimizer/iterations" : tensor<i64>
  %new_mw = nn.map (%mw, %gw, %rate) : (tensor<3xf32>, tensor<3xf32>, tensor<f32>) -> tensor<3xf32> {
  ^bb0(%a: f32, %c: f32, %d: f32):
    %half = arith.constant 0.5 : f32
    %7 = arith.mulf %a, %half : f32
    %8 = arith.mulf %c, %d : f32
    %9 = arith.subf %7, %8 : f32
    nn.yield %9 : f32
  } loc("optimizer")
  %new_w = nn.map (%w, %new_mw) : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xf32> {
  ^bb0(%a: f32, %c: f32):
    %7 = arith.addf %a, %c : f32
    nn.yield %7 : f32
  } loc("optimizer")
  %new_mb = nn.map (%mb, %gb, %rate) : (tensor<1xf32>, tensor<1xf32>, tensor<f32>) -> tensor<1xf32> {
  ^bb0(%a: f32, %c: f32, %d: f32):
    %half = arith.constant 0.5 : f32
    %7 = arith.mulf %a, %half : f32
    %8 = arith.mulf %c, %d : f32
    %9 = arith.subf %7, %8 : f32
    nn.yield %9 : f32
  } loc("optimizer")
  %new_b = nn.map (%b, %new_mb) : (tensor<1xf32>, tensor<1xf32>) -> tensor<1xf32> {
  ^bb0(%a: f32, %c: f32):
    %7 = arith.addf %a, %c : f32
    nn.yield %7 : f32
  } loc("optimizer")
  %new_n = nn.map (%n) : (tensor<i64>) -> tensor<i64> {
  ^bb0(%a: i64):
    %one = arith.constant 1 : i64
    %7 = arith.addi %a, %one : i64
    nn.yield %7 : i64
  } loc("optimizer")
  %ones = nn.full 1.0 like %x from [0] : tensor<?x3xf32> to tensor<?xf32>
  %items = nn.reduce sum %ones dims [0] : (tensor<?xf32>) -> tensor<f32>
  %of_loss = nn.reshape %loss from [-1] : tensor<f32> to tensor<1xf32>
  %of_mae = nn.reshape %mae from [-1] : tensor<f32> to tensor<1xf32>
  %unit = nn.full 1.0 like %of_mae from [-1] : tensor<1xf32> to tensor<1xf32>
  %means = nn.concat %of_loss, %of_mae, %unit dim 0 : (tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<3xf32>
  %sums = nn.get @"metrics/sums" : tensor<3xf64>
  %new_sums = nn.map (%sums, %means, %items) : (tensor<3xf64>, tensor<3xf32>, tensor<f32>) -> tensor<3xf64> {
  ^bb0(%a: f64, %c: f32, %d: f32):
    %7 = arith.mulf %c, %d : f32
    %8 = arith.extf %7 : f32 to f64
    %9 = arith.addf %a, %8 : f64
    nn.yield %9 : f64
  } loc("metrics")
  return %loss, %mae, %new_mw, %new_mb, %new_w, %new_b, %new_n, %new_sums : tensor<f32>, tensor<f32>, tensor<3xf32>, tensor<1xf32>, tensor<3xf32>, tensor<1xf32>, tensor<i64>, tensor<3xf64>
}

func.func @evaluate(%x: tensor<?x3xf32> {nn.name = "x", nn.dims = ["batch", ""]}, %y: tensor<?xf32> {nn.name = "y", nn.dims = ["batch"]}) -> (tensor<f32> {nn.name = "loss"}, tensor<f32> {nn.name = "mae:0"}, tensor<3xf64> {nn.update = "metrics/sums"}) {
  %w = nn.get @"dense/kernel" : tensor<3xf32>
  %b = nn.get @"dense/bias" : tensor<1xf32>
  %0 = nn.map (%x, %w) : (tensor<?x3xf32>, tensor<3xf32>) -> tensor<?x3xf32> {
  ^bb0(%a: f32, %c: f32):
    %7 = arith.mulf %a, %c : f32
    nn.yield %7 : f32
  } loc("dense")
  %1 = nn.reduce sum %0 dims [1] : (tensor<?x3xf32>) -> tensor<?xf32> loc("dense")
  %e = nn.map (%1, %b, %y) : (tensor<?xf32>, tensor<1xf32>, tensor<?xf32>) -> tensor<?xf32> {
  ^bb0(%a: f32, %c: f32, %d: f32):
    %7 = arith.addf %a, %c : f32
    %8 = arith.subf %7, %d : f32
    nn.yield %8 : f32
  } loc("loss")
  %2 = nn.map (%e) : (tensor<?xf32>) -> tensor<?xf32> {
  ^bb0(%a: f32):
    %7 = arith.mulf %a, %a : f32
    nn.yield %7 : f32
  } loc("loss")
  %loss = nn.reduce mean %2 dims [0] : (tensor<?xf32>) -> tensor<f32> loc("loss")
  %3 = nn.map (%e) : (tensor<?xf32>) -> tensor<?xf32> {
  ^bb0(%a: f32):
    %7 = math.absf %a : f32
    nn.yield %7 : f32
  } loc("loss")
  %mae = nn.reduce mean %3 dims [0] : (tensor<?xf32>) -> tensor<f32> loc("loss")
  %ones = nn.full 1.0 like %x from [0] : tensor<?x3xf32> to tensor<?xf32>
  %items = nn.reduce sum %ones dims [0] : (tensor<?xf32>) -> tensor<f32>
  %of_loss = nn.reshape %loss from [-1] : tensor<f32> to tensor<1xf32>
  %of_mae = nn.reshape %mae from [-1] : tensor<f32> to tensor<1xf32>
  %unit = nn.full 1.0 like %of_mae from [-1] : tensor<1xf32> to tensor<1xf32>
  %means = nn.concat %of_loss, %of_mae, %unit dim 0 : (tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<3xf32>
  %sums = nn.get @"metrics/sums" : tensor<3xf64>
  %new_sums = nn.map (%sums, %means, %items) : (tensor<3xf64>, tensor<3xf32>, tensor<f32>) -> tensor<3xf64> {
  ^bb0(%a: f64, %c: f32, %d: f32):
    %7 = arith.mulf %c, %d : f32
    %8 = arith.extf %7 : f32 to f64
    %9 = arith.addf %a, %8 : f64
    nn.yield %9 : f64
  } loc("metrics")
  return %loss, %mae, %new_sums : tensor<f32>, tensor<f32>, tensor<3xf64>
}

func.func @gradients(%x: tensor<?x3xf32> {nn.name = "x", nn.dims = ["batch", ""]}, %y: tensor<?xf32> {nn.name = "y", nn.dims = ["batch"]})
    -> (tensor<f32> {nn.name = "loss"}, tensor<3xf32> {nn.name = "dense/kernel"}, tensor<1xf32> {nn.name = "dense/bias"}) {
  %w = nn.get @"dense/kernel" : tensor<3xf32>
  %b = nn.get @"dense/bias" : tensor<1xf32>
  %0 = nn.map (%x, %w) : (tensor<?x3xf32>, tensor<3xf32>) -> tensor<?x3xf32> {
  ^bb0(%a: f32, %c: f32):
    %7 = arith.mulf %a, %c : f32
    nn.yield %7 : f32
  } loc("dense")
  %1 = nn.reduce sum %0 dims [1] : (tensor<?x3xf32>) -> tensor<?xf32> loc("dense")
  %e = nn.map (%1, %b, %y) : (tensor<?xf32>, tensor<1xf32>, tensor<?xf32>) -> tensor<?xf32> {
  ^bb0(%a: f32, %c: f32, %d: f32):
    %7 = arith.addf %a, %c : f32
    %8 = arith.subf %7, %d : f32
    nn.yield %8 : f32
  } loc("loss")
  %2 = nn.map (%e) : (tensor<?xf32>) -> tensor<?xf32> {
  ^bb0(%a: f32):
    %7 = arith.mulf %a, %a : f32
    nn.yield %7 : f32
  } loc("loss")
  %loss = nn.reduce mean %2 dims [0] : (tensor<?xf32>) -> tensor<f32> loc("loss")
  %4 = nn.map (%e) : (tensor<?xf32>) -> tensor<?xf32> {
  ^bb0(%a: f32):
    %7 = arith.addf %a, %a : f32
    nn.yield %7 : f32
  } loc("dense")
  %5 = nn.reshape %4 from [0, -1] : tensor<?xf32> to tensor<?x1xf32>
  %6 = nn.map (%5, %x) : (tensor<?x1xf32>, tensor<?x3xf32>) -> tensor<?x3xf32> {
  ^bb0(%a: f32, %c: f32):
    %7 = arith.mulf %a, %c : f32
    nn.yield %7 : f32
  } loc("dense")
  %gw = nn.reduce mean %6 dims [0] : (tensor<?x3xf32>) -> tensor<3xf32> loc("dense")
  %gb = nn.reduce mean %4 dims [0] keep_dims : (tensor<?xf32>) -> tensor<1xf32> loc("dense")
  return %loss, %gw, %gb : tensor<f32>, tensor<3xf32>, tensor<1xf32>
}

func.func @metrics_result() -> (tensor<f32> {nn.name = "loss"}, tensor<f32> {nn.name = "mae:0"}) {
  %sums = nn.get @"metrics/sums" : tensor<3xf64>
  %count = nn.slice %sums starts [2] sizes [1] strides [1] : (tensor<3xf64>) -> tensor<1xf64>
  %means = nn.map (%sums, %count) : (tensor<3xf64>, tensor<1xf64>) -> tensor<3xf32> {
  ^bb0(%a: f64, %c: f64):
    %zero = arith.constant 0.0 : f64
    %7 = arith.cmpf ogt, %c, %zero : f64
    %8 = arith.divf %a, %c : f64
    %9 = arith.select %7, %8, %zero : f64
    %10 = arith.truncf %9 : f64 to f32
    nn.yield %10 : f32
  } loc("metrics")
  %0 = nn.slice %means starts [0] sizes [1] strides [1] : (tensor<3xf32>) -> tensor<1xf32>
  %1 = nn.slice %means starts [1] sizes [1] strides [1] : (tensor<3xf32>) -> tensor<1xf32>
  %loss = nn.reshape %0 from [] : tensor<1xf32> to tensor<f32>
  %mae = nn.reshape %1 from [] : tensor<1xf32> to tensor<f32>
  return %loss, %mae : tensor<f32>, tensor<f32>
}

func.func @reset_metrics() -> (tensor<3xf64> {nn.update = "metrics/sums"}) {
  %sums = nn.get @"metrics/sums" : tensor<3xf64>
  %zeros = nn.full 0.0 like %sums from [0] : tensor<3xf64> to tensor<3xf64>
  return %zeros : tensor<3xf64>
}
