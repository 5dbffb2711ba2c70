//===- NNDialect.td - the nn dialect ------------------------*- tablegen -*-===//
//
// The dialect in which a model is transformed. Ops are whole layers on tensors, with value semantics.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_NN_DIALECT_TD
#define SYLVITE_NN_DIALECT_TD

include "mlir/IR/OpBase.td"

def NN_Dialect : Dialect {
  let name = "nn";
  let cppNamespace = "::sylvite::nn";
  let summary = "Neural-network layers on tensors";
  let description = [{
    A model is a `func.func` over builtin tensors whose body holds the ops of this dialect, beside the
    `nn.parameter` symbols that it reads. Shapes are static but for free dimensions (`?`): the batch,
    and whatever else the model leaves open.

    Layout is channels-last: activations are `(N, spatial..., C)`, filters `(spatial..., C / groups, O)`.
    Importers bring other layouts to this form with `nn.transpose`.

    Attributes of the function:
    - `nn.name` on arguments and results: the name a user knows the array by;
    - `nn.dims` on arguments: one string per dimension, the symbol of a free dimension or `""`.
      Equal symbols have equal sizes;
    - `nn.state` on an argument and on a result: together they are an array that the model keeps from call
      to call under this name, zero at first;
    - `nn.classes` on an argument of i32: the number of classes that its elements number, from zero on. Callers
      cannot give others;
    - `nn.update` on a result: it replaces the `nn.parameter` of this name when the function has returned; every
      `nn.get` in the function has the value of before. Such results are no outputs, and stand after all that are.

    Attributes of an `nn.parameter`, which `nn-train` reads:
    - `nn.regularizer = {l1, l2}`, or for a matrix `{orthogonal_rows}` or `{orthogonal_columns}`: what it adds to the loss;
    - `nn.constraint = {kind, ...}`: what it is brought to after each step.

    The module's attribute `nn.training` says what its model is trained with: losses, metrics, an optimizer. `nn-train`
    describes it.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::mlir::func::FuncDialect"];
}

#endif // SYLVITE_NN_DIALECT_TD
