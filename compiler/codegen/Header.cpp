// Writes NAME.h: the types that all libraries share (runtime/sylvite.h), the functions with their
// documentation, and a C++17 class. Everything a user needs to call the library is in this one file.
#include "compiler/codegen/Header.h"

#include "compiler/codegen/RuntimeBlob.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace sylvite {

static bool isKeyword(StringRef name) {
  static const StringSet<> keywords = {
      "alignas",  "alignof",  "and",       "and_eq",    "asm",      "auto",     "bitand",   "bitor",
      "bool",     "break",    "case",      "catch",     "char",     "char16_t", "char32_t", "char8_t",
      "class",    "co_await", "co_return", "co_yield",  "compl",    "concept",  "const",    "const_cast",
      "consteval", "constexpr", "constinit", "continue", "decltype", "default", "delete",   "do",
      "double",   "dynamic_cast", "else",  "enum",      "explicit", "export",   "extern",   "false",
      "float",    "for",      "friend",    "goto",      "if",       "inline",   "int",      "long",
      "mutable",  "namespace", "new",      "noexcept",  "not",      "not_eq",   "nullptr",  "operator",
      "or",       "or_eq",    "private",   "protected", "public",   "register", "reinterpret_cast",
      "requires", "restrict", "return",    "short",     "signed",   "sizeof",   "static",   "static_assert",
      "static_cast", "std",   "struct",    "switch",    "template", "this",     "thread_local", "throw",
      "true",     "try",      "typedef",   "typeid",    "typename", "typeof",   "union",    "unsigned",
      "using",    "virtual",  "void",      "volatile",  "wchar_t",  "while",    "xor",      "xor_eq",
      "linux",    "unix"};
  return keywords.contains(name);
}

std::string sanitizeName(StringRef name) {
  std::string result;
  for (char c : name)
    result += isAlnum(c) || c == '_' ? c : '_';
  result.erase(0, std::min(result.find_first_not_of('_'), result.size()));
  if (result.empty())
    return "model";
  if (isDigit(result.front()))
    result = "model_" + result;
  if (isKeyword(result))
    result += "_model";
  return result;
}

namespace {

/// Writes one header; holds the names that its functions' arguments have.
class HeaderWriter {
public:
  HeaderWriter(const LibraryDescription &description, const LibraryOptions &options, raw_ostream &out)
      : description(description), options(options), name(options.name), out(out) {
    used.insert("model");
    for (const std::string &dim : description.dims)
      dims.push_back(argumentName(dim));
    for (const TensorInfo &input : description.inputs)
      inputs.push_back(argumentName(input.name));
    for (const TensorInfo &output : description.outputs)
      outputs.push_back(argumentName(output.name));
  }

  void write();

private:
  std::string argumentName(StringRef original) {
    std::string base;
    for (char c : original)
      base += isAlnum(c) || c == '_' ? c : '_';
    base.erase(0, std::min(base.find_first_not_of('_'), base.size()));
    if (base.empty() || isDigit(base.front()))
      base = "x" + base;
    if (isKeyword(base))
      base += "_";
    std::string result = base;
    for (unsigned i = 2; !used.insert(result).second; ++i)
      result = base + "_" + std::to_string(i);
    return result;
  }

  /// "[batch, 28, 28, 1]".
  std::string shapeText(const TensorInfo &tensor) const {
    std::string text = "[";
    for (auto [i, size] : enumerate(tensor.shape)) {
      text += i ? ", " : "";
      text += size >= 0 ? std::to_string(size) : size == derivedDim ? "?" : dims[-1 - size];
    }
    return text + "]";
  }
  /// A name from the model inside a comment: anything that could end the comment is replaced.
  static std::string comment(StringRef text) {
    std::string result;
    for (char c : text)
      result += isPrint(c) || static_cast<unsigned char>(c) >= 0x80 ? c : ' ';
    for (size_t at; (at = result.find("*/")) != std::string::npos;)
      result.replace(at, 2, "* /");
    return result;
  }
  /// The arguments of forward after the handle. With `types` as in a declaration, else as in a call.
  std::string forwardArguments(bool types) const {
    SmallVector<std::string> list;
    for (auto [argument, input] : zip_equal(inputs, description.inputs))
      list.push_back((types ? "const " + getCName(input.dtype).str() + " *" : "") + argument);
    for (const std::string &dim : dims)
      list.push_back((types ? "int64_t " : "") + dim);
    for (auto [argument, output] : zip_equal(outputs, description.outputs))
      list.push_back((types ? getCName(output.dtype).str() + " *" : "") + argument);
    return join(list, ", ");
  }
  std::string dimArguments(bool types) const {
    SmallVector<std::string> list;
    for (const std::string &dim : dims)
      list.push_back((types ? "int64_t " : "") + dim);
    return join(list, ", ");
  }

  void writeOverview();
  void writeTensor(StringRef role, StringRef argument, const TensorInfo &tensor);
  void writeFunctions();
  void writeForwardComment();
  void writeClass();

  const LibraryDescription &description;
  const LibraryOptions &options;
  std::string name;
  raw_ostream &out;
  StringSet<> used;
  SmallVector<std::string> dims, inputs, outputs;
};

} // namespace

void HeaderWriter::writeTensor(StringRef role, StringRef argument, const TensorInfo &tensor) {
  out << " *   " << left_justify(role, 7) << left_justify(argument, 16) << " "
      << left_justify(getNumpyName(tensor.dtype), 8) << " " << shapeText(tensor);
  if (argument != tensor.name)
    out << "  (\"" << comment(tensor.name) << "\")";
  out << "\n";
}

void HeaderWriter::writeOverview() {
  uint64_t bytes = 0;
  for (const ParameterInfo &parameter : description.parameters)
    bytes += parameter.data.size();
  out << "/* " << name << ": the model \"" << comment(description.model)
      << "\", compiled by Sylvite " SYLVITE_VERSION " for " << description.target << ".\n *\n";
  for (auto [argument, input] : zip_equal(inputs, description.inputs))
    writeTensor("input", argument, input);
  for (auto [argument, output] : zip_equal(outputs, description.outputs))
    writeTensor("output", argument, output);
  out << " *\n * " << description.modelParameters << " parameters; " << bytes << " bytes of weights, ";
  if (options.externalWeights)
    out << "in the file " << name << ".weights.safetensors,\n * which is searched beside the library (for a "
           "static link, beside the program).\n";
  else
    out << "inside the library.\n";
  out << " *\n"
         " * Tensors are row-major and dense, the last dimension innermost; a pointer needs the alignment of "
         "its\n"
         " * elements, no more. The caller owns all inputs and outputs.\n"
         " *\n"
         " * Link with lib" << name << ".so, or lib" << name << ".a and -lm"
      << (options.singleThreaded ? "" : " -lpthread")
      << ".\n"
         " *\n"
         " * Threads: a handle serves one call at a time (a second one returns SYLVITE_BUSY); different handles run\n"
         " * in parallel, each with its own workspace, all with the same weights. The threads that one call uses\n"
         " * belong to the library and are shared by its handles. The result does not depend on their number. */\n";
}

void HeaderWriter::writeForwardComment() {
  out << "/* Runs the model: reads ";
  out << join(inputs, ", ") << ", writes " << join(outputs, ", ") << ".\n *\n";
  for (auto [argument, input] : zip_equal(inputs, description.inputs))
    out << " *   " << argument << "  " << getNumpyName(input.dtype) << " " << shapeText(input) << "\n";
  for (auto [argument, dim] : zip_equal(dims, description.dims))
    out << " *   " << argument << "  "
        << (dim == "batch" ? "number of items, at least 1" : "size of the dimension \"" + comment(dim) + "\", at least 1")
        << "\n";
  for (auto [argument, output] : zip_equal(outputs, description.outputs))
    out << " *   " << argument << "  " << getNumpyName(output.dtype) << " " << shapeText(output) << "\n";
  if (any_of(description.outputs, [](const TensorInfo &output) { return is_contained(output.shape, derivedDim); }))
    out << " *\n * Sizes shown as ? follow from the others: " << name << "_output_shape computes them.\n";
  out << " *\n"
         " * Returns SYLVITE_OK, SYLVITE_INVALID_ARGUMENT (a null or unaligned pointer, a size that is not positive\n"
         " * or too large, a workspace that is too small), SYLVITE_OUT_OF_MEMORY or SYLVITE_BUSY. It allocates only\n"
         " * when it needs a larger workspace than any call before. */\n";
}

void HeaderWriter::writeFunctions() {
  out << formatv(R"(
typedef struct {0}_model {0}_model;

/* Makes a handle of the model. `options` may be NULL: weights of the library, workspace allocated on demand.
 * Returns NULL on failure (out of memory, a bad weights file, a processor without the instructions that the
 * library uses); {0}_last_error(NULL) then says why. Release it with {0}_destroy. */
{0}_model *{0}_create(const sylvite_options *options);

/* Releases a handle; NULL is allowed. */
void {0}_destroy({0}_model *model);

)",
                 name);
  writeForwardComment();
  out << "int " << name << "_forward(" << name << "_model *model, " << forwardArguments(true) << ");\n";
  out << formatv(R"(
/* The same for callers that do not know the model: arrays of all inputs, all free dimensions and all outputs,
 * in the order of {0}_info. */
int {0}_run({0}_model *model, const void *const *inputs, const int64_t *dims, void *const *outputs);

/* Describes the model: constant, valid while the library is loaded. */
const sylvite_info *{0}_info(void);

/* The message of the handle's last call if that failed, otherwise an empty string. With NULL: the message of
 * this thread's last failure that had no handle. Valid until the next call of the same kind. */
const char *{0}_last_error(const {0}_model *model);

/* Bytes of workspace that a call with these sizes needs, linear in the batch; for sylvite_options.workspace.
 * 0 for sizes that are not valid. */
size_t {0}_workspace_size({1});
size_t {0}_run_workspace_size(const int64_t *dims); /* the same, sizes as for {0}_run */

/* The shape of output `output` (as in {0}_info) for these free dimensions, into `shape`, which has room for
 * the output's rank. Returns a status. */
int {0}_output_shape(int32_t output, const int64_t *dims, int64_t *shape);

/* The number of threads that a call uses, for all handles of this library: 0 for one per processor that the
 * process may use, which is the default; at most 256. Takes effect when no call runs. Returns a status. */
int {0}_set_threads(int threads);
int {0}_threads(void);

/* Runs parallel loops by the application's own function instead of the library's threads; NULL returns to
 * those. Not while a call runs. The application gives several libraries one pool this way. */
void {0}_set_parallel_for(sylvite_parallel_for function, void *state);

/* Writes the weights to a safetensors file, or reads them from one that has them all in the same shapes. A
 * save replaces the file when it is complete; the old one stays if it fails. A loaded file stays mapped: it
 * may be replaced, but must not be changed, while the handle lives. Return a status. */
int {0}_save({0}_model *model, const char *path);
int {0}_load({0}_model *model, const char *path);

/* Sets what stateful layers of this handle keep from call to call to zero, as it is at first. Models without
 * stateful layers keep nothing. Returns a status. */
int {0}_reset_states({0}_model *model);

/* Turns the profile of this handle on, from zero, or off. {0}_profile reads the calls and the time of a kernel
 * (as in {0}_info) since it was turned on. Return a status. */
int {0}_set_profile({0}_model *model, int enabled);
int {0}_profile(const {0}_model *model, int32_t kernel, sylvite_profile *profile);
)",
                 name, dims.empty() ? "void" : dimArguments(true));
}

void HeaderWriter::writeClass() {
  out << formatv(R"(
#if defined(__cplusplus) && __cplusplus >= 201703L
#include <stdexcept>
#include <string>
#include <utility>

namespace {0} {{

/* A handle that is released with its scope. Move-only; failures are std::runtime_error with the library's
 * message. The rules of the C functions hold. */
class Model {{
public:
  Model() : Model(nullptr) {{}
  explicit Model(const sylvite_options &options) : Model(&options) {{}
  /* With the weights of a safetensors file. */
  explicit Model(const std::string &weights) : Model(with_weights(weights)) {{}
  ~Model() {{ {0}_destroy(model_); }
  Model(Model &&other) noexcept : model_(std::exchange(other.model_, nullptr)) {{}
  Model &operator=(Model &&other) noexcept {{
    std::swap(model_, other.model_);
    return *this;
  }
  Model(const Model &) = delete;
  Model &operator=(const Model &) = delete;

  void forward({1}) {{
    check({0}_forward(model_, {2}));
  }
  void save(const std::string &path) {{ check({0}_save(model_, path.c_str())); }
  void load(const std::string &path) {{ check({0}_load(model_, path.c_str())); }
  void reset_states() {{ check({0}_reset_states(model_)); }

  static const sylvite_info &info() {{ return *{0}_info(); }
  static std::size_t workspace_size({3}) {{ return {0}_workspace_size({4}); }
  static void set_threads(int threads) {{
    if ({0}_set_threads(threads) != SYLVITE_OK)
      throw std::runtime_error({0}_last_error(nullptr));
  }

  /* The handle, for the C functions; still owned by this object. */
  {0}_model *get() const noexcept {{ return model_; }

private:
  explicit Model(const sylvite_options *options) : model_({0}_create(options)) {{
    if (!model_)
      throw std::runtime_error({0}_last_error(nullptr));
  }
  static sylvite_options with_weights(const std::string &weights) {{
    sylvite_options options{{};
    options.size = sizeof options;
    options.weights = weights.c_str();
    return options;
  }
  void check(int status) const {{
    if (status != SYLVITE_OK)
      throw std::runtime_error({0}_last_error(status == SYLVITE_BUSY ? nullptr : model_));
  }

  {0}_model *model_;
};

} // namespace {0}
#endif
)",
                 name, forwardArguments(true), forwardArguments(false), dimArguments(true),
                 dimArguments(false));
}

void HeaderWriter::write() {
  std::string guard = StringRef(name).upper() + "_H";
  writeOverview();
  out << "#ifndef " << guard << "_SYLVITE\n#define " << guard << "_SYLVITE\n\n"
      << getCommonHeader() << "\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n";
  writeFunctions();
  out << "\n#ifdef __cplusplus\n}\n#endif\n";
  writeClass();
  out << "\n#endif\n";
}

void writeHeader(const LibraryDescription &description, const LibraryOptions &options,
                 raw_ostream &out) {
  HeaderWriter(description, options, out).write();
}

} // namespace sylvite
