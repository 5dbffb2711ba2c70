//===- sylvite-import.cpp - a model file to the nn dialect -------------------===//
//
// The importers alone, for tests: prints the nn module that a model file gives. `sylvite compile` is what a
// user runs.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/Import.h"
#include "compiler/import/keras/Layers.h"
#include "compiler/import/onnx/Operators.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/raw_ostream.h"
#include "mlir/IR/AsmState.h"
#include "mlir/IR/Diagnostics.h"

using namespace mlir;
namespace cl = llvm::cl;

static cl::opt<std::string> model(cl::Positional, cl::desc("<model>"));
static cl::opt<std::string> weights("weights", cl::desc("HDF5 or safetensors file with the weights"));
static cl::opt<std::string> name("name", cl::desc("name of the module"));
static cl::list<std::string> shapes("shape", cl::desc("shape of an input, as in x=?x224x224x3"));
static cl::opt<bool> withData("with-data", cl::desc("print the parameters' values too"));
static cl::opt<bool> withLocations("with-locations", cl::desc("print locations"));
static cl::opt<bool> quiet("quiet", cl::desc("print nothing but errors"));
static cl::opt<bool> listLayers("list-layers", cl::desc("print the table of supported Keras layers"));
static cl::opt<bool> listOperators("list-operators", cl::desc("print the page of supported ONNX operators"));

/// docs/onnx-operators.md: each family's operators with the operator sets that they are supported from and to.
static void printOperators(raw_ostream &out) {
  using namespace sylvite::onnx;
  out << "# ONNX operators\n\nPrinted by `sylvite-import --list-operators`. Supported are models of the operator sets "
      << kOldestOpset << " to " << kNewestOpset
      << "; the\nnumbers are the operator sets of an operator, all that follow where there is one.\n";
  for (const OperatorFamily &family : sylvite::onnx::listOperators()) {
    out << "\n## " << family.title << "\n\n| operator | operator sets |\n|---|---|\n";
    for (const OperatorRow &row : family.rows) {
      out << "| " << row.name << " | " << row.since;
      if (row.until != kNewest)
        out << " to " << row.until;
      out << " |\n";
    }
  }
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  cl::ParseCommandLineOptions(argc, argv, "imports a model and prints it in the nn dialect\n");
  if (listOperators) {
    printOperators(llvm::outs());
    return 0;
  }
  if (listLayers) {
    for (const sylvite::keras::LayerFamily &family : sylvite::keras::listLayers()) {
      llvm::outs() << family.title << ":";
      for (const sylvite::keras::LayerRow &row : family.rows)
        llvm::outs() << " " << row.className;
      llvm::outs() << "\n";
    }
    return 0;
  }

  MLIRContext context(MLIRContext::Threading::DISABLED);
  ScopedDiagnosticHandler handler(&context, [](Diagnostic &diagnostic) {
    llvm::errs() << (diagnostic.getSeverity() == DiagnosticSeverity::Error ? "error: " : "note: ")
                 << diagnostic << "\n";
  });
  sylvite::ImportOptions options;
  options.path = model;
  options.weightsPath = weights;
  options.name = name;
  for (const std::string &text : shapes) {
    auto shape = sylvite::parseShape(text);
    if (failed(shape)) {
      llvm::errs() << "error: --shape is '" << text << "'; supported: NAME=?x224x224x3\n";
      return 1;
    }
    options.shapes.push_back(*shape);
  }
  auto module = sylvite::importModel(context, options);
  if (failed(module))
    return 1;
  if (quiet)
    return 0;
  OpPrintingFlags flags;
  if (withLocations)
    flags.enableDebugInfo(true, /*prettyForm=*/false);
  if (!withData)
    flags.elideLargeResourceString(0);
  (*module)->print(llvm::outs(), flags);
  llvm::outs() << "\n";
  return 0;
}
