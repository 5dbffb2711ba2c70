//===- Layers.cpp - The table of Keras layers -----------------------------===//
//
// Joins the families' rows.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/keras/Layers.h"

using namespace llvm;
using namespace sylvite;
using namespace sylvite::keras;

ArrayRef<LayerFamily> keras::listLayers() {
  static const LayerFamily families[] = {
      {"Convolution", convLayers()},   {"Pooling", poolLayers()},
      {"Dense", denseLayers()},        {"Recurrent", recurrentLayers()},
      {"Attention", attentionLayers()}, {"Sequences", sequenceLayers()},
      {"Normalization and scaling", normLayers()},
      {"Preprocessing", preprocessingLayers()},
      {"Pointwise", pointwiseLayers()}, {"Shape", shapeLayers()},
      {"Signals", signalLayers()},
      {"keras.ops", operations()},
      {"keras.ops of order", orderOperations()},
      {"keras.ops on shapes", shapeOperations()},
      {"keras.ops on signals", signalOperations()},
  };
  return families;
}

const LayerRow *keras::findLayer(const Layer &layer) {
  for (const LayerFamily &family : listLayers()) {
    if (family.title.starts_with("keras.ops") != layer.isOperation)
      continue;
    for (const LayerRow &row : family.rows)
      if (row.className == layer.className)
        return &row;
  }
  static const LayerRow activation{"activation", buildActivationOperation};
  return layer.isOperation && isActivation(toSnakeCase(layer.className)) ? &activation : nullptr;
}
