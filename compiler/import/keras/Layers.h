//===- Layers.h - The table of Keras layers -------------------------------===//
//
// A row per layer class: its name and the function that turns a call of it into nn ops. Adding a layer is
// adding a row to its family's table. Families are those of the dialect, one file each.
//
//===----------------------------------------------------------------------===//
#ifndef SYLVITE_COMPILER_IMPORT_KERAS_LAYERS_H
#define SYLVITE_COMPILER_IMPORT_KERAS_LAYERS_H

#include "compiler/import/ScalarMath.h"
#include "compiler/import/keras/LayerBuilder.h"

namespace sylvite::keras {

/// What becomes of the mask of a layer's first input (Keras's supports_masking and compute_mask).
enum class Masks {
  Stop, // it ends here
  Pass, // the results have it
  Own   // the layer reads it, and says which masks its results have
};

struct LayerRow {
  llvm::StringLiteral className;
  void (*build)(LayerBuilder &);
  Masks masks = Masks::Stop;
};

/// One family of layers, or of `keras.ops` operations.
struct LayerFamily {
  llvm::StringLiteral title;
  llvm::ArrayRef<LayerRow> rows;
};

llvm::ArrayRef<LayerRow> attentionLayers();
llvm::ArrayRef<LayerRow> convLayers();
llvm::ArrayRef<LayerRow> denseLayers();
llvm::ArrayRef<LayerRow> normLayers();
llvm::ArrayRef<LayerRow> pointwiseLayers();
llvm::ArrayRef<LayerRow> poolLayers();
llvm::ArrayRef<LayerRow> preprocessingLayers();
llvm::ArrayRef<LayerRow> recurrentLayers();
llvm::ArrayRef<LayerRow> sequenceLayers();
llvm::ArrayRef<LayerRow> shapeLayers();
llvm::ArrayRef<LayerRow> signalLayers();
llvm::ArrayRef<LayerRow> operations();
llvm::ArrayRef<LayerRow> shapeOperations();
llvm::ArrayRef<LayerRow> signalOperations();
llvm::ArrayRef<LayerRow> orderOperations();

/// Functions of keras.ops that stand beside the layers which compute the same.
void dotProductAttention(LayerBuilder &b);
void einsum(LayerBuilder &b);
void tensordot(LayerBuilder &b);
void dotProduct(LayerBuilder &b);

/// 1 where an element of `x` is the class, 0 elsewhere: a dimension of `classes` at place `axis`.
mlir::Value oneHot(LayerBuilder &b, mlir::Value x, int64_t classes, int64_t axis);

/// All families, for the table of supported layers in the README.
llvm::ArrayRef<LayerFamily> listLayers();

/// The row of a layer's or an operation's class; null when it is not supported.
const LayerRow *findLayer(const Layer &layer);

/// The activation that attribute `key` names, applied to `x`: a name, or a layer or function in its
/// serialized form; absent means none.
mlir::Value activate(LayerBuilder &b, mlir::Value x, llvm::StringRef key = "activation");

/// Where any of the inputs counts; null when one of them has no mask.
mlir::Value joinMasks(LayerBuilder &b);

/// The names of the activations, sorted.
std::vector<llvm::StringRef> listActivations();
bool isActivation(llvm::StringRef name);
/// Builds an operation of `keras.ops` whose snake-case name is an activation's.
void buildActivationOperation(LayerBuilder &b);

/// Arithmetic that keeps integers integers.
using Arithmetic = mlir::Value (ScalarMath::*)(mlir::Value, mlir::Value);

} // namespace sylvite::keras

#endif // SYLVITE_COMPILER_IMPORT_KERAS_LAYERS_H
