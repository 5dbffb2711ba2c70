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

#endif // SYLVITE_NN_INTERFACES_TD
