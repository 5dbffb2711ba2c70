//===- Passes.td - the passes of Sylvite --------------------*- tablegen -*-===//
//
// In the order in which `sylvite compile` runs them. One C++ file per pass, or per family of a pass.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_PASSES_TD
#define SYLVITE_PASSES_TD

include "mlir/Pass/PassBase.td"

//===----------------------------------------------------------------------===//
// passes/nn: a model is transformed
//===----------------------------------------------------------------------===//

def ExpandRecurrent : Pass<"nn-expand-recurrent", "::mlir::func::FuncOp"> {
  let summary = "Turn recurrent layers into a product over all steps and a time loop";
  let description = [{
    `nn.lstm`, `nn.gru` and `nn.simple_rnn` become one `nn.matmul` for the inputs of all steps and an
    `nn.scan` whose body is the cell: one product of the state with the recurrent kernels of all gates, whose columns the
    gates are. Where training drops parts of the state for each gate apart, the kernels are split.
  }];
  let dependentDialects = ["::sylvite::nn::NNDialect", "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect"];
}

def Differentiate : Pass<"nn-differentiate", "::mlir::ModuleOp"> {
  let summary = "Add the reverse-mode gradient of a model as a function of its own";
  let description = [{
    Adds `@pullback` beside `@forward`: a function of the same arguments and of one seed per floating-point
    result, the gradient of some scalar with respect to it, which returns the gradient of that scalar with
    respect to each floating-point argument and each trainable parameter. Rules are the ops' own
    (`DifferentiableOpInterface`). `nn-train` uses the same engine; this pass shows and tests it.
  }];
  let dependentDialects = ["::sylvite::nn::NNDialect", "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect"];
}

def Train : Pass<"nn-train", "::mlir::ModuleOp"> {
  let summary = "Add loss, gradients, metrics and optimizer to a model";
  let description = [{
    Where the module has the attribute `nn.training`, adds these functions beside `@forward`:
    - `@train_step(inputs..., targets...) -> (loss, metrics..., updates...)`;
    - `@evaluate(inputs..., targets...) -> (loss, metrics..., updates...)`, the layers as in inference;
    - `@metrics_result() -> (loss, metrics...)` of all batches of both since the last `@reset_metrics() -> (updates...)`:
      each metric follows from sums, which are kept in parameters `metrics/...`;
    - `@gradients(inputs..., targets...) -> (loss, gradients of trainable parameters...)`;
    - `@apply_averages() -> (updates...)`, where the optimizer keeps moving averages of the parameters (`use_ema`): each
      parameter becomes its own.

    With `sample_weights`, "item" or "position", functions of a loss take weights as their last argument, `sample_weight`: the
    loss of each item, or of each position, is multiplied by its own. In training, it is also multiplied by the weight of the
    item's class, where there are `class_weights = array<f64: ...>`, by class. The loss is the mean over all positions.

    A result of `@forward` with `nn.loss_mask = I` says which positions of result I count in its loss; it goes.

    A result with `nn.update = "NAME"` replaces parameter NAME when the function has returned: every `nn.get` in it has
    the value of before. Such results are no outputs, and stand after all that are. What the optimizer keeps becomes
    parameters `optimizer/...`. Losses and metrics are by result of `@forward`; all have Keras's names and options, a
    loss its `weight` in the sum, an optimizer a `learning_rate` or a `schedule` of some `kind`:

    ```mlir
    module attributes {nn.training = {
      losses = [ {kind = "sparse_categorical_crossentropy"} ],   // one per output; {} for none
      metrics = [ [ {kind = "accuracy"} ] ],
      optimizer = {kind = "adam", learning_rate = 1.0e-3 : f64}}} {
    ```
  }];
  let dependentDialects = ["::sylvite::nn::NNDialect", "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect"];
}

def Simplify : Pass<"nn-simplify", "::mlir::ModuleOp"> {
  let summary = "Fold batch normalization, constants and ops that change nothing";
  let description = [{
    Folds `nn.batch_norm` into the convolution or matrix product before it (through a bias between
    them), turns the others into maps, puts a pooled mean and a pointwise convolution into the order of fewer operations,
    cancels transposes and reshapes, and drops what is not used.
    The folded weights are ops on parameters; `nn-prepare` moves them out of the model's function.
    Slices move above the ops that they take elements of, where nothing else reads those, and a strided convolution of one
    position is a slice and one without strides: what nothing reads is not computed.
    Sums that gradients are become other ops: shares that fill each other's padding are one `nn.concat`, products that a
    loop adds up are one product of all its steps, after it.
  }];
  let dependentDialects = ["::sylvite::nn::NNDialect", "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect"];
}

def CheckSizes : Pass<"nn-check-sizes", "::mlir::func::FuncOp"> {
  let summary = "Say what a function asks of its free dimensions";
  let description = [{
    Ops ask for equal sizes of what they combine, for slices within what they are taken from, and most of them for something
    in every tensor; joining, adding up and what is computed element by element do with nothing. `nn.least_sizes` of the
    function has zero or one for each of its free dimensions. What else is not known to hold becomes `nn.size_constraints`:
    for each constraint a `text`, the `sides` as expressions of the free dimensions, and whether they are `equal`, or the
    first at least the second. So does what an importer has taken to be positive, the results of the map
    `nn.positive_sizes`. A call is checked before it reads anything.
  }];
  let dependentDialects = ["::sylvite::nn::NNDialect"];
}

defvar MachineOptions = [
  Option<"vectorWidth", "vector-width", "unsigned", "8", "32-bit lanes of a vector register">,
  Option<"vectorRegisters", "vector-registers", "unsigned", "16", "Vector registers">,
  Option<"l2Bytes", "l2-bytes", "unsigned", "512 << 10", "Bytes of a core's second cache">
];

def PlanContractions : Pass<"nn-plan-contractions", "::mlir::func::FuncOp"> {
  let summary = "Choose the algorithm and the order of the weights of each contraction";
  let description = [{
    Pointwise convolutions become matrix products; 3x3 convolutions take Winograd's algorithm where the cost
    model expects it to be faster, unless `exact`; a transposed convolution becomes one of stride one for each
    of its phases. Two products with a softmax between them become `nn.attention`, and the projections to its
    queries, keys and values one product, as convolutions of one tensor that a map joins become one where
    channels then fill more lanes. Constant weights are packed into the blocks that the register tile streams,
    those of the gates of a recurrent cell together. A product whose rows leave the second cache is summed over
    parts of the contracted dimension. Maps move before the reshapes that this leaves. The positions of a
    product that only a depthwise convolution reads stay in rows, where computing it in strips of them pays.
    Biases and activations between a convolution of few terms and a max pooling that can compute it come after
    that.
  }];
  let options = !listconcat(MachineOptions, [
    Option<"exact", "exact", "bool", "false",
           "Keep to the definition of a convolution: no Winograd">]);
  let dependentDialects = ["::sylvite::nn::NNDialect"];
}

def ExpandPadding : Pass<"nn-expand-padding", "::mlir::func::FuncOp"> {
  let summary = "Make the zero padding of convolutions an op of its own";
  let description = [{
    A convolution whose input carries its halo needs no boundary condition in its inner loop.
  }];
  let dependentDialects = ["::sylvite::nn::NNDialect"];
}

def Fuse : Pass<"nn-fuse", "::mlir::func::FuncOp"> {
  let summary = "Group ops that become one kernel";
  let description = [{
    Merges chains of maps, attaches maps to the convolution, product, pooling or reduction that feeds
    them, the transposes around an attention to it, the maps of a recurrent cell to the product of its gates, the
    update of weights to the product that is their gradient, to a product the slice that it takes of its rows, to a map
    the reductions of rows that it alone reads, and a product in rows of positions to the depthwise convolution that alone
    reads it, and wraps every op that computes into an `nn.group`. Reshapes stay outside: they are views.
  }];
  let dependentDialects = ["::sylvite::nn::NNDialect"];
}

def Prepare : Pass<"nn-prepare", "::mlir::ModuleOp"> {
  let summary = "Move what depends on parameters only into @prepare";
  let description = [{
    Groups whose operands all derive from parameters run once, at compile time (and again when other
    weights are loaded): they move into a function `@prepare`, and its results become parameters
    `prepared/N` of the model.
  }];
  let dependentDialects = ["::sylvite::nn::NNDialect", "::mlir::func::FuncDialect"];
}

//===----------------------------------------------------------------------===//
// passes/lower: nn to halide
//===----------------------------------------------------------------------===//

def LowerToHalide : Pass<"lower-to-halide", "::mlir::ModuleOp"> {
  let summary = "Turn each nn.group into a halide.pipeline and a halide.call";
  let description = [{
    Groups with equal bodies share one pipeline. Each op of a group becomes one or a few
    `halide.func`s; passes/lower has one file per family.
  }];
  let dependentDialects = ["::sylvite::nn::NNDialect", "::sylvite::halide::HalideDialect",
                           "::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

//===----------------------------------------------------------------------===//
// passes/schedule: directives
//===----------------------------------------------------------------------===//

def Schedule : Pass<"halide-schedule", "::mlir::ModuleOp"> {
  let summary = "Write a schedule into every halide.pipeline that has none";
  let description = [{
    Chooses the first family that accepts the pipeline; the last one accepts every pipeline.
    passes/schedule has one file per family.
  }];
  let options = MachineOptions;
  let dependentDialects = ["::sylvite::halide::HalideDialect"];
}

//===----------------------------------------------------------------------===//
// passes/host: the host program
//===----------------------------------------------------------------------===//

def Rematerialize : Pass<"host-rematerialize", "::mlir::ModuleOp"> {
  let summary = "Compute values again where keeping them takes too much memory";
  let description = [{
    Where the arena of a call with `batch` items takes more than `budget` bytes, calls of kernels that do little but read and
    write memory (activations, normalizations, masks) are repeated before a later use of what they compute, which need not
    live in between. Says by a remark what that costs, and by a warning what is missing.
  }];
  let options = [
    Option<"budget", "budget", "int64_t", "INT64_MAX", "Bytes of the arena">,
    Option<"batch", "batch", "int64_t", "32", "Items of the call; other free dimensions have the same size">];
  let dependentDialects = ["::sylvite::nn::NNDialect", "::sylvite::halide::HalideDialect"];
}

def Microbatch : Pass<"host-microbatch", "::mlir::ModuleOp"> {
  let summary = "Compute a batch a few items at a time where more leave the cache";
  let description = [{
    Where kernels compute the items of a batch of any size apart from each other, they run for one item, or for a few, one kernel
    after the other, before they do for the next ones (`nn.microbatch`). Early layers of a convolutional network, whose values
    are large, take few items, late ones, whose weights are, more. A remark says which.
  }];
  let options = [Option<"l2Bytes", "l2-bytes", "unsigned", "512 << 10", "Bytes of a core's second cache">];
  let dependentDialects = ["::sylvite::nn::NNDialect", "::sylvite::halide::HalideDialect"];
}

def PlanMemory : Pass<"plan-memory", "::mlir::ModuleOp"> {
  let summary = "Place every intermediate tensor in one arena";
  let description = [{
    Rewrites functions on tensors into host functions on memrefs: arguments and results are buffers
    that the caller passes, parameters are buffers of the library, and every other tensor has an
    offset in an arena, chosen by liveness. An `nn.scan` becomes an `scf.for`: its stacked results are
    written where they stay, and what it carries is read from one buffer and written to another. An
    `nn.if` becomes an `scf.if` on its condition, whose branches write the results to one place.
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect",
                           "::mlir::scf::SCFDialect", "::sylvite::halide::HalideDialect"];
}

def EmitHost : Pass<"emit-host", "::mlir::ModuleOp"> {
  let summary = "Turn host functions into the llvm dialect, against runtime/program.h";
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // SYLVITE_PASSES_TD
