// NumPy's files: .npy (one array) and .npz (a zip of them), which carry inputs and outputs of models.
//
// Reading accepts format versions 1 to 3, C and Fortran order, both byte orders, and the number types that a
// model can have; everything else is an error that says what it found. Nothing in a file is trusted.
#ifndef SYLVITE_COMPILER_TOOLS_NUMPYFILE_H
#define SYLVITE_COMPILER_TOOLS_NUMPYFILE_H

#include "compiler/codegen/Library.h"
#include <map>
#include <string>
#include <vector>

namespace sylvite {

/// A tensor in memory: row-major, dense.
struct Array {
  DType dtype = DType::Float32;
  std::vector<int64_t> shape;
  std::vector<char> data;

  uint64_t elements() const;
};

/// "(2, 28, 28, 1)".
std::string shapeText(llvm::ArrayRef<int64_t> shape);

struct ArrayFile {
  bool isArchive = false;              // .npz; otherwise one array of no name
  std::vector<std::string> names;      // of all arrays in the archive
  std::map<std::string, Array> arrays; // those that were asked for and are there
};

/// Reads a .npy file, or those arrays of a .npz file that are in `wanted`. The content decides which it is.
llvm::Expected<ArrayFile> readArrayFile(llvm::StringRef path, llvm::ArrayRef<std::string> wanted);

/// Writes a .npy file when the path ends so, else a .npz file. The path has its old content or all of the new.
llvm::Error writeArrayFile(llvm::StringRef path,
                           llvm::ArrayRef<std::pair<std::string, const Array *>> arrays);

/// Parses a .npy file in memory. `where` stands in messages.
llvm::Expected<Array> parseNpy(llvm::StringRef content, const std::string &where);

/// Changes the element type when every value has an equal one in the new type.
llvm::Error convertExactly(Array &array, DType dtype, const std::string &where);

} // namespace sylvite

#endif
