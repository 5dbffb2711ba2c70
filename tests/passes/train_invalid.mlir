// RUN: sylvite-opt %s -split-input-file -nn-train -verify-diagnostics

module attributes {nn.training = {losses = [{kind = "contrastive"}], optimizer = {kind = "sgd"}}} {
  nn.parameter trainable @w : tensor<4x3xf32>
  func.func @forward(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x3xf32> {nn.name = "y"}) {
    %w = nn.get @w : tensor<4x3xf32>
    // expected-error @+1 {{loss 'contrastive' is not supported; supported: binary_crossentropy, categorical_crossentropy}}
    %0 = nn.matmul %x, %w : (tensor<?x4xf32>, tensor<4x3xf32>) -> tensor<?x3xf32>
    return %0 : tensor<?x3xf32>
  }
}

// -----

// expected-error @+1 {{optimizer 'newton' is not supported; supported: adadelta, adagrad, adam}}
module attributes {nn.training = {losses = [{kind = "hinge"}], optimizer = {kind = "newton"}}} {
  nn.parameter trainable @w : tensor<4x3xf32>
  func.func @forward(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x3xf32> {nn.name = "y"}) {
    %w = nn.get @w : tensor<4x3xf32>
    %0 = nn.matmul %x, %w : (tensor<?x4xf32>, tensor<4x3xf32>) -> tensor<?x3xf32>
    return %0 : tensor<?x3xf32>
  }
}

// -----

// expected-error @+1 {{learning-rate schedule 'Cyclic' is not supported; supported: CosineDecay}}
module attributes {nn.training = {losses = [{kind = "hinge"}], optimizer = {kind = "sgd", schedule = {kind = "Cyclic"}}}} {
  nn.parameter trainable @w : tensor<4x3xf32>
  func.func @forward(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x3xf32> {nn.name = "y"}) {
    %w = nn.get @w : tensor<4x3xf32>
    %0 = nn.matmul %x, %w : (tensor<?x4xf32>, tensor<4x3xf32>) -> tensor<?x3xf32>
    return %0 : tensor<?x3xf32>
  }
}

// -----

module attributes {nn.training = {losses = [{kind = "hinge"}], metrics = [[{kind = "bleu"}]], optimizer = {kind = "sgd"}}} {
  nn.parameter trainable @w : tensor<4x3xf32>
  // expected-error @+1 {{metric 'bleu' is not supported for this target; supported: accuracy}}
  func.func @forward(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x3xf32> {nn.name = "y"}) {
    %w = nn.get @w : tensor<4x3xf32>
    %0 = nn.matmul %x, %w : (tensor<?x4xf32>, tensor<4x3xf32>) -> tensor<?x3xf32>
    return %0 : tensor<?x3xf32>
  }
}

// -----

// expected-error @+1 {{training needs an optimizer}}
module attributes {nn.training = {losses = [{kind = "hinge"}]}} {
  nn.parameter trainable @w : tensor<4x3xf32>
  func.func @forward(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x3xf32> {nn.name = "y"}) {
    %w = nn.get @w : tensor<4x3xf32>
    %0 = nn.matmul %x, %w : (tensor<?x4xf32>, tensor<4x3xf32>) -> tensor<?x3xf32>
    return %0 : tensor<?x3xf32>
  }
}

// -----

module attributes {nn.training = {losses = [{}], optimizer = {kind = "sgd"}}} {
  nn.parameter trainable @w : tensor<4x3xf32>
  // expected-error @+1 {{training needs a loss for at least one output}}
  func.func @forward(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x3xf32> {nn.name = "y"}) {
    %w = nn.get @w : tensor<4x3xf32>
    %0 = nn.matmul %x, %w : (tensor<?x4xf32>, tensor<4x3xf32>) -> tensor<?x3xf32>
    return %0 : tensor<?x3xf32>
  }
}

// -----

module attributes {nn.training = {losses = [{kind = "hinge"}], optimizer = {kind = "sgd"}}} {
  // expected-error @+1 {{training needs a trainable parameter; the model has none}}
  func.func @forward(%x: tensor<?x3xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x3xf32> {nn.name = "y"}) {
    return %x : tensor<?x3xf32>
  }
}

// -----

module attributes {nn.training = {losses = [{kind = "hinge"}], metrics = [[{kind = "auc", curve = "LIFT"}]], optimizer = {kind = "sgd"}}} {
  nn.parameter trainable @w : tensor<4x3xf32>
  // expected-error @+1 {{metric 'auc' has curve 'LIFT'; supported: ROC, PR}}
  func.func @forward(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x3xf32> {nn.name = "y"}) {
    %w = nn.get @w : tensor<4x3xf32>
    %0 = nn.matmul %x, %w : (tensor<?x4xf32>, tensor<4x3xf32>) -> tensor<?x3xf32>
    return %0 : tensor<?x3xf32>
  }
}

// -----

module attributes {nn.training = {losses = [{kind = "hinge"}], metrics = [[{kind = "precision"}, {kind = "precision", class_id = 1}]], optimizer = {kind = "sgd"}}} {
  nn.parameter trainable @w : tensor<4x3xf32>
  // expected-error @+1 {{two metrics have the name 'precision'; the option 'name' gives one another}}
  func.func @forward(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x3xf32> {nn.name = "y"}) {
    %w = nn.get @w : tensor<4x3xf32>
    %0 = nn.matmul %x, %w : (tensor<?x4xf32>, tensor<4x3xf32>) -> tensor<?x3xf32>
    return %0 : tensor<?x3xf32>
  }
}

// -----

// expected-error @+1 {{the optimizer has gradient_accumulation_steps 1.000000e+00; supported: whole numbers from 2 on}}
module attributes {nn.training = {losses = [{kind = "hinge"}], optimizer = {kind = "sgd", gradient_accumulation_steps = 1.0}}} {
  nn.parameter trainable @w : tensor<4x3xf32>
  func.func @forward(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x3xf32> {nn.name = "y"}) {
    %w = nn.get @w : tensor<4x3xf32>
    %0 = nn.matmul %x, %w : (tensor<?x4xf32>, tensor<4x3xf32>) -> tensor<?x3xf32>
    return %0 : tensor<?x3xf32>
  }
}

// -----

// expected-error @+1 {{the optimizer has ema_momentum 1.5}}
module attributes {nn.training = {losses = [{kind = "hinge"}], optimizer = {kind = "sgd", use_ema = true, ema_momentum = 1.5}}} {
  nn.parameter trainable @w : tensor<4x3xf32>
  func.func @forward(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x3xf32> {nn.name = "y"}) {
    %w = nn.get @w : tensor<4x3xf32>
    %0 = nn.matmul %x, %w : (tensor<?x4xf32>, tensor<4x3xf32>) -> tensor<?x3xf32>
    return %0 : tensor<?x3xf32>
  }
}

// -----

module attributes {nn.training = {losses = [{kind = "hinge"}, {kind = "hinge"}], sample_weights = "position", optimizer = {kind = "sgd"}}} {
  nn.parameter trainable @w : tensor<4x3xf32>
  // expected-error @+1 {{sample weights by position are supported for a model with one loss}}
  func.func @forward(%x: tensor<?x4xf32> {nn.name = "x", nn.dims = ["batch", ""]}) -> (tensor<?x3xf32> {nn.name = "y"}, tensor<?x3xf32> {nn.name = "z"}) {
    %w = nn.get @w : tensor<4x3xf32>
    %0 = nn.matmul %x, %w : (tensor<?x4xf32>, tensor<4x3xf32>) -> tensor<?x3xf32>
    return %0, %0 : tensor<?x3xf32>, tensor<?x3xf32>
  }
}

// -----

module attributes {nn.training = {losses = [{kind = "sparse_categorical_crossentropy"}], class_weights = array<f64: 2.0>, optimizer = {kind = "sgd"}}} {
  nn.parameter trainable @w : tensor<4x3xf32>
  // expected-error @+1 {{class weights need a model with one loss, whose target has one class for each item}}
  func.func @forward(%x: tensor<?x5x4xf32> {nn.name = "x", nn.dims = ["batch", "", ""]}) -> (tensor<?x5x3xf32> {nn.name = "y"}) {
    %w = nn.get @w : tensor<4x3xf32>
    %0 = nn.matmul %x, %w : (tensor<?x5x4xf32>, tensor<4x3xf32>) -> tensor<?x5x3xf32>
    return %0 : tensor<?x5x3xf32>
  }
}
