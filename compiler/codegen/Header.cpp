// Writes NAME.h: the types that all libraries share (runtime/sylvite.h), the functions with their
// documentation, and a C++17 class. Everything a user needs to call the library is in this one file.
#include "compiler/codegen/Header.h"

#include "compiler/codegen/HostObject.h"
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

/// A name from the model inside a comment: anything that could end the comment is replaced.
static std::string comment(StringRef text) {
  std::string result;
  for (char c : text)
    result += isPrint(c) || static_cast<unsigned char>(c) >= 0x80 ? c : ' ';
  for (size_t at; (at = result.find("*/")) != std::string::npos;)
    result.replace(at, 2, "* /");
  return result;
}

namespace {

/// C identifiers for names of a model, each another.
class Identifiers {
public:
  std::string make(StringRef original) {
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

private:
  StringSet<> used;
};

/// The function of an entry as the header writes it: the names of its arguments, and what it does with outputs.
struct EntryWriter {
  EntryWriter(const EntryInfo &entry, const std::string &library)
      : entry(entry), library(library), form(getForm(entry)) {
    Identifiers names;
    names.make("model");
    if (form == EntryForm::Metrics)
      names.make("metrics");
    for (const std::string &dim : entry.dims)
      dims.push_back(names.make(dim));
    for (const TensorInfo &input : entry.inputs)
      inputs.push_back(names.make(input.name));
    if (form == EntryForm::Gradients) {
      outputs = {names.make(entry.outputs.front().name), names.make("gradients")};
    } else {
      Identifiers fields; // of the struct, which are no arguments
      for (const TensorInfo &output : entry.outputs)
        outputs.push_back(form == EntryForm::Metrics ? fields.make(output.name) : names.make(output.name));
    }
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

  /// The arguments, `handle` before them if there is one. With `types` as in a declaration, else as in a call.
  std::string arguments(bool types, StringRef handle, bool withOutputs = true) const {
    SmallVector<std::string> list;
    if (!handle.empty())
      list.push_back(handle.str());
    auto add = [&](const Twine &type, StringRef argument) {
      list.push_back(types ? (type + argument).str() : argument.str());
    };
    for (auto [argument, input] : zip_equal(inputs, entry.inputs))
      add("const " + getCName(input.dtype) + " *", argument);
    for (const std::string &dim : dims)
      add("int64_t ", dim);
    if (!withOutputs)
      return join(list, ", ");
    if (form == EntryForm::Tensors)
      for (auto [argument, output] : zip_equal(outputs, entry.outputs))
        add(getCName(output.dtype) + " *", argument);
    if (form == EntryForm::Metrics)
      add(library + "_metrics *", "metrics");
    if (form == EntryForm::Gradients) {
      add(getCName(entry.outputs.front().dtype) + " *", outputs[0]);
      add(gradientType() + " *const *", outputs[1]);
    }
    return join(list, ", ");
  }
  std::string dimArguments(bool types) const {
    SmallVector<std::string> list;
    for (const std::string &dim : dims)
      list.push_back((types ? "int64_t " : "") + dim);
    return join(list, ", ");
  }
  /// The element type of all gradients.
  std::string gradientType() const {
    for (const TensorInfo &output : ArrayRef(entry.outputs).drop_front())
      if (output.dtype != entry.outputs[1].dtype)
        return "void";
    return entry.outputs.size() == 1 ? "void" : getCName(entry.outputs[1].dtype).str();
  }
  /// One line of a comment per input and free dimension.
  void describeInputs(raw_ostream &out) const {
    for (auto [argument, input] : zip_equal(inputs, entry.inputs)) {
      out << " *   " << argument << "  " << getNumpyName(input.dtype) << " " << shapeText(input);
      if (input.classes)
        out << ", from 0 to " << input.classes - 1;
      out << "\n";
    }
    for (auto [i, dim] : enumerate(entry.dims))
      out << " *   " << dims[i] << "  "
          << (dim == "batch" ? "number of items" : "size of the dimension \"" + comment(dim) + "\"") << ", at least "
          << entry.leastDim(i) << "\n";
  }

  const EntryInfo &entry;
  const std::string &library;
  EntryForm form;
  SmallVector<std::string> dims, inputs, outputs;
};

/// Writes one header.
class HeaderWriter {
public:
  HeaderWriter(const LibraryDescription &description, const LibraryOptions &options, raw_ostream &out)
      : description(description), options(options), name(options.name), out(out) {
    for (const EntryInfo &entry : description.entries)
      entries.emplace_back(entry, name);
  }

  void write();

private:
  const EntryWriter &forward() const { return entries.front(); }
  void writeOverview();
  void writeTensor(StringRef role, StringRef argument, const TensorInfo &tensor);
  void writeFunctions();
  void writeForwardComment();
  void writeTraining();
  void writeEntry(const EntryWriter &entry);
  void writeClass();
  void writeMethod(const EntryWriter &entry);

  const LibraryDescription &description;
  const LibraryOptions &options;
  std::string name;
  raw_ostream &out;
  std::vector<EntryWriter> entries;
};

} // namespace

void HeaderWriter::writeTensor(StringRef role, StringRef argument, const TensorInfo &tensor) {
  out << " *   " << left_justify(role, 7) << left_justify(argument, 16) << " "
      << left_justify(getNumpyName(tensor.dtype), 8) << " " << forward().shapeText(tensor);
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
  for (auto [argument, input] : zip_equal(forward().inputs, forward().entry.inputs))
    writeTensor("input", argument, input);
  for (auto [argument, output] : zip_equal(forward().outputs, forward().entry.outputs))
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
      << (description.trains()
              ? " * in parallel, each with its own workspace, and its own copy of what training changes. The threads that\n"
                " * one call uses belong to the library and are shared by its handles. The result does not depend on\n"
                " * their number. Numbers below the smallest normal float, 1.2e-38, count as zero in a call. */\n"
              : " * in parallel, each with its own workspace, all with the same weights. The threads that one call uses\n"
                " * belong to the library and are shared by its handles. The result does not depend on their number. Numbers\n"
                " * below the smallest normal float, 1.2e-38, count as zero in a call. */\n");
}

void HeaderWriter::writeForwardComment() {
  const EntryWriter &forward = entries.front();
  ArrayRef<TensorInfo> tensors = forward.entry.outputs;
  out << "/* Runs the model: reads ";
  out << join(forward.inputs, ", ") << ", writes " << join(forward.outputs, ", ") << ".\n *\n";
  forward.describeInputs(out);
  for (auto [argument, output] : zip_equal(forward.outputs, tensors))
    out << " *   " << argument << "  " << getNumpyName(output.dtype) << " " << forward.shapeText(output) << "\n";
  if (any_of(tensors, [](const TensorInfo &output) { return is_contained(output.shape, derivedDim); }))
    out << " *\n * Sizes shown as ? follow from the others: " << name << "_output_shape computes them.\n";
  if (!forward.entry.constraints.empty())
    out << " *\n * Sizes that do not fit together are refused:\n";
  for (const std::string &constraint : forward.entry.constraints)
    out << " *   " << comment(constraint) << "\n";
  out << " *\n"
         " * Returns SYLVITE_OK, SYLVITE_INVALID_ARGUMENT (a null or unaligned pointer, a size that is too small\n"
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
  out << "int " << name << "_forward(" << forward().arguments(true, name + "_model *model") << ");\n";
  out << formatv(R"(
/* The same for callers that do not know the model: arrays of all inputs, all free dimensions and all outputs,
 * in the order of {0}_info. */
int {0}_run({0}_model *model, const void *const *inputs, const int64_t *dims, void *const *outputs);

/* Describes the model: constant, valid while the library is loaded. */
const sylvite_info *{0}_info(void);

/* The message of the handle's last call if that failed, otherwise an empty string. With NULL: the message of
 * this thread's last failure that had no handle. Valid until the next call of the same kind. */
const char *{0}_last_error(const {0}_model *model);

/* Bytes of workspace that a call with these sizes needs, for sylvite_options.workspace: no more for a smaller batch. 0 for sizes that
 * are not valid. */
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

{2}
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
                 name, forward().dims.empty() ? "void" : forward().dimArguments(true),
                 description.trains()
                     ? R"(/* Writes all parameters to a safetensors file, or reads them from one that has them all in the same shapes:
 * the weights, and what training keeps beside them (the optimizer's values, counters, generators, the learning
 * rate), so that training goes on from a file as if it had never stopped, to the bit. A save replaces the file
 * when it is complete and on the disk; the old one stays if it fails. A load checks the file before it changes
 * anything. A file with the weights alone serves as sylvite_options.weights. Return a status. */)"
                     : R"(/* Writes the weights to a safetensors file, or reads them from one that has them all in the same shapes. A
 * save replaces the file when it is complete; the old one stays if it fails. A loaded file stays mapped: it
 * may be replaced, but must not be changed, while the handle lives. Return a status. */)");
}

/// The function of one entry of training, with its comment.
void HeaderWriter::writeEntry(const EntryWriter &writer) {
  const std::string &entry = writer.entry.name;
  if (entry == "train_step")
    out << "/* One step of training on a batch: forward, backward, optimizer. Changes the handle's parameters.\n *\n";
  else if (entry == "evaluate")
    out << "/* Loss and metrics of a batch, as in inference. Changes nothing but what the metrics are made of.\n *\n";
  else if (entry == "metrics_result")
    out << "/* Loss and metrics of all batches of " << name << "_train_step and " << name
        << "_evaluate since the last\n * " << name << "_reset_metrics, or since the handle was made.\n *\n";
  else if (entry == "reset_metrics")
    out << "/* Forgets what the metrics are made of. Before an epoch, and between training and evaluation.\n *\n";
  else if (entry == "apply_averages")
    out << "/* Replaces the trained weights by their moving averages (Keras's use_ema), as Keras's fit does at its end: after\n"
           " * the last step, before weights are saved or used. What the optimizer keeps stays as it is.\n *\n";
  else if (entry == "gradients")
    out << "/* Loss of a batch and its gradients, for those who bring an optimizer of their own.\n *\n";
  else
    out << "/* Runs the model's function \"" << comment(entry) << "\".\n *\n";
  writer.describeInputs(out);
  for (auto [argument, input] : zip_equal(writer.inputs, writer.entry.inputs))
    if (input.name == "sample_weight")
      out << " *\n * The loss of each " << (input.shape.size() == 1 ? "item" : "position") << " is multiplied by its weight in `"
          << argument << "`; the mean is over all, whatever their weights.\n"
          << (writer.form == EntryForm::Metrics ? " * Metrics are not weighted.\n" : "");
  switch (writer.form) {
  case EntryForm::Tensors:
    for (auto [argument, output] : zip_equal(writer.outputs, writer.entry.outputs))
      out << " *   " << argument << "  " << getNumpyName(output.dtype) << " " << writer.shapeText(output) << "\n";
    out << (writer.inputs.empty() && writer.outputs.empty() ? "" : " *\n") << " * Returns a status";
    break;
  case EntryForm::Metrics:
    out << (writer.inputs.empty() ? " * `metrics` may be null. Returns a status"
                                  : " *\n * `metrics` gets those of the batch, and may be null. Returns a status");
    break;
  case EntryForm::Gradients:
    out << " *\n * `" << writer.outputs[0] << "` may be null. `" << writer.outputs[1] << "` points to "
        << name << "_gradient_count arrays, which the caller owns:\n *\n";
    for (auto [i, output] : enumerate(ArrayRef(writer.entry.outputs).drop_front()))
      out << " *   [" << i << "]  \"" << comment(output.name) << "\"  " << getNumpyName(output.dtype) << " "
          << writer.shapeText(output) << "\n";
    out << " *\n * Returns a status";
    break;
  }
  out << ", as " << name << "_forward does. */\n";
  if (writer.form == EntryForm::Gradients)
    out << "enum { " << name << "_gradient_count = " << writer.entry.outputs.size() - 1 << " };\n";
  out << "int " << name << "_" << entry << "(" << writer.arguments(true, name + "_model *model") << ");\n\n";
}

/// What only a library that trains has.
void HeaderWriter::writeTraining() {
  out << "\n/* ---- Training ------------------------------------------------------------------------------------- */\n\n";
  for (const EntryWriter &entry : entries) {
    if (entry.form != EntryForm::Metrics)
      continue;
    out << "/* Loss and metrics of a batch, or of many. */\ntypedef struct " << name << "_metrics {\n";
    for (auto [field, output] : zip_equal(entry.outputs, entry.entry.outputs)) {
      out << "  " << getCName(output.dtype) << " " << field << ";";
      if (field != output.name)
        out << " /* \"" << comment(output.name) << "\" */";
      out << "\n";
    }
    out << "} " << name << "_metrics;\n\n";
    break; // all have the same
  }
  for (const EntryWriter &entry : ArrayRef(entries).drop_front())
    writeEntry(entry);
  out << formatv(R"(/* The learning rate of this handle's optimizer, at first that of the compiled model: a number that is not
 * negative. It is saved and loaded with the rest. A model whose rate follows a schedule refuses
 * (SYLVITE_INVALID_ARGUMENT), and {0}_learning_rate is NaN. */
int {0}_set_learning_rate({0}_model *model, float rate);
float {0}_learning_rate(const {0}_model *model);

/* {0}_save and {0}_load with a note of the caller's in the file, any UTF-8 text that says where training is, so
 * that parameters and note are replaced at one moment. `note` may be null; what is loaded is cut to `note_size`
 * bytes with its terminator, and empty when the file has no note. */
int {0}_save_checkpoint({0}_model *model, const char *path, const char *note);
int {0}_load_checkpoint({0}_model *model, const char *path, char *note, size_t note_size);

/* Turns checks of this handle on or off: with them a call fails with SYLVITE_NOT_A_NUMBER as soon as a layer
 * computes a NaN, and {0}_last_error names the layer. For finding out why a loss is not a number; slower. */
int {0}_set_checks({0}_model *model, int enabled);

/* Bytes of workspace with which every function for training can be called with these sizes, as
 * {0}_workspace_size for {0}_forward. */
size_t {0}_train_workspace_size({1});

/* The functions of this library for callers that do not know the model: entry `entry` of {0}_info, of
 * which 0 is {0}_forward, with arrays of all its inputs, free dimensions and outputs in their order. */
int {0}_run_entry({0}_model *model, int32_t entry, const void *const *inputs, const int64_t *dims,
                  void *const *outputs);
size_t {0}_entry_workspace_size(int32_t entry, const int64_t *dims);
int {0}_entry_output_shape(int32_t entry, int32_t output, const int64_t *dims, int64_t *shape);
)",
                 name, entries[1].dims.empty() ? "void" : entries[1].dimArguments(true));
}

/// The method of the C++ class for one entry.
void HeaderWriter::writeMethod(const EntryWriter &writer) {
  const std::string &entry = writer.entry.name;
  if (writer.form == EntryForm::Metrics)
    out << formatv(R"(  {0}_metrics {1}({2}) {{
    {0}_metrics metrics{{};
    check({0}_{1}({3}, &metrics));
    return metrics;
  }
)",
                   name, entry, writer.arguments(true, "", false), writer.arguments(false, "model_", false));
  else
    out << formatv(R"(  void {1}({2}) {{
    check({0}_{1}({3}));
  }
)",
                   name, entry, writer.arguments(true, ""), writer.arguments(false, "model_"));
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

)",
                 name);
  for (const EntryWriter &entry : entries)
    writeMethod(entry);
  if (description.trains())
    out << formatv(R"(  void save_checkpoint(const std::string &path, const std::string &note) {{
    check({0}_save_checkpoint(model_, path.c_str(), note.c_str()));
  }
  void set_checks(bool enabled) {{ check({0}_set_checks(model_, enabled)); }
  void set_learning_rate(float rate) {{ check({0}_set_learning_rate(model_, rate)); }
  float learning_rate() const {{ return {0}_learning_rate(model_); }
  static std::size_t train_workspace_size({1}) {{ return {0}_train_workspace_size({2}); }
)",
                   name, entries[1].dimArguments(true), entries[1].dimArguments(false));
  out << formatv(R"(  void save(const std::string &path) {{ check({0}_save(model_, path.c_str())); }
  void load(const std::string &path) {{ check({0}_load(model_, path.c_str())); }
  void reset_states() {{ check({0}_reset_states(model_)); }

  static const sylvite_info &info() {{ return *{0}_info(); }
  static std::size_t workspace_size({1}) {{ return {0}_workspace_size({2}); }
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
                 name, forward().dimArguments(true), forward().dimArguments(false));
}

void HeaderWriter::write() {
  std::string guard = StringRef(name).upper() + "_H";
  writeOverview();
  out << "#ifndef " << guard << "_SYLVITE\n#define " << guard << "_SYLVITE\n\n"
      << getCommonHeader() << "\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n";
  writeFunctions();
  if (description.trains())
    writeTraining();
  out << "\n#ifdef __cplusplus\n}\n#endif\n";
  writeClass();
  out << "\n#endif\n";
}

void writeHeader(const LibraryDescription &description, const LibraryOptions &options,
                 raw_ostream &out) {
  HeaderWriter(description, options, out).write();
}

} // namespace sylvite
