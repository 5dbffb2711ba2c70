// libFuzzer: any bytes as a model file, or as the weights of a small model; the first byte chooses. The importer must
// report exactly one error or give a module.
//
//   %python make_import_corpus.py CORPUS && fuzz-import CORPUS -max_len=20000 -dict=import.dict
#include "compiler/import/Import.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/MemoryBuffer.h"

#include <cstdlib>
#include <memory>

using namespace mlir;

static constexpr llvm::StringLiteral kModel(R"({"class_name": "Sequential", "config": {"name": "m", "layers": [
  {"module": "keras.layers", "class_name": "InputLayer", "config": {"name": "x", "batch_shape": [null, 3]}},
  {"module": "keras.layers", "class_name": "Dense", "config": {"name": "dense", "units": 2}}]}})");

static std::shared_ptr<llvm::MemoryBuffer> copyOf(llvm::StringRef text) {
  return llvm::MemoryBuffer::getMemBufferCopy(text);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  // A context keeps every type, name and blob, so it is renewed now and then.
  static std::unique_ptr<MLIRContext> context;
  static unsigned runs = 0;
  if (runs++ % 256 == 0)
    context = std::make_unique<MLIRContext>(MLIRContext::Threading::DISABLED);
  unsigned errors = 0;
  ScopedDiagnosticHandler handler(context.get(), [&](Diagnostic &diagnostic) {
    errors += diagnostic.getSeverity() == DiagnosticSeverity::Error;
    if (diagnostic.str().empty())
      std::abort();
  });
  llvm::StringRef bytes(reinterpret_cast<const char *>(data + 1), size - 1);
  sylvite::ImportOptions options;
  options.path = "model";
  options.weightsPath = "weights";
  auto module = data[0] & 1 ? sylvite::importModel(*context, options, copyOf(kModel), copyOf(bytes))
                            : sylvite::importModel(*context, options, copyOf(bytes), nullptr);
  if (failed(module) ? errors != 1 : errors != 0)
    std::abort();
  return 0;
}
