//===- Passes.h - the passes of Sylvite -------------------------*- C++ -*-===//
//
// Declarations generated from Passes.td, which documents each pass.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_PASSES_PASSES_H
#define SYLVITE_PASSES_PASSES_H

#include "dialects/halide/HalideDialect.h"
#include "dialects/nn/NN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Pass/Pass.h"

namespace sylvite {

#define GEN_PASS_DECL
#include "passes/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/Passes.h.inc"

} // namespace sylvite

#endif // SYLVITE_PASSES_PASSES_H
