//===- NNInterfaces.td - interfaces of the nn dialect -------*- tablegen -*-===//
//
// What passes ask of an nn op without knowing which one it is.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_NN_INTERFACES_TD
#define SYLVITE_NN_INTERFACES_TD

include "mlir/IR/OpBase.td"

def NN_ShapeOpInterface : OpInterface<"ShapeOpInterface"> {
  let cppNamespace = "::sylvite::nn";
  let description = [{
    Gives the shape of the result as expressions of the shapes of the operands. The same function
    serves type inference (a dimension that comes out constant is static) and the host program, which
    evaluates the expressions for a free dimension at run time.
  }];
  let methods = [
    InterfaceMethod<[{
      The dimensions of the result, given those of each operand. Fails, with a diagnostic at `loc` if
      there is one, when the operands do not fit together.
    }],
    "::llvm::FailureOr<::sylvite::nn::ShapeExpr>", "resultShape",
    (ins "::std::optional<::mlir::Location>":$loc,
         "::llvm::ArrayRef<::sylvite::nn::ShapeExpr>":$operandShapes),
      /*methodBody=*/"", /*defaultImplementation=*/[{
      return ConcreteOp::inferShape(typename ConcreteOp::Adaptor(::llvm::cast<ConcreteOp>(this->getOperation())), loc, operandShapes);
    }]>
  ];
}

def NN_DifferentiableOpInterface : OpInterface<"DifferentiableOpInterface"> {
  let cppNamespace = "::sylvite::nn";
  let description = [{
    The reverse-mode gradient of an op: for a scalar L, from dL/d(result) to dL/d(operand). The ops that
    it builds are ordinary nn ops; those that nobody reads are removed later, so a rule need not ask which
    gradients are wanted. What a rule reads (operands, results, neither) is what lives until the backward
    pass, so a rule prefers what costs less to keep.
  }];
  let methods = [
    InterfaceMethod<[{
      Builds the gradient of each operand, of the operand's type, at `builder`; null for an operand on which
      the result does not depend smoothly, as indices. `gradients` has one entry per result, null where a
      result has none; one at least is not null. Fails, with a diagnostic at the op, where this form of the
      op has no gradient.
    }],
    "::llvm::FailureOr<::llvm::SmallVector<::mlir::Value>>", "buildGradient",
    (ins "::mlir::OpBuilder &":$builder, "::mlir::ValueRange":$gradients)>
  ];
}

#endif // SYLVITE_NN_INTERFACES_TD
